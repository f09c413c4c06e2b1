// The style sheet of the report.
#include "rl/run_report_page.h"

namespace invar {

const char* const kReportStyle = R"css(
:root { --back: #fff; --card: #f6f7f9; --text: #1b1f24; --dim: #5b6470; --line: #d9dde3;
  --good: #16703a; --bad: #b3261e; --shade: 214, 120, 0;
  --c0: #5a9bf0; --c1: #0b3d91; --c2: #b3541e; --c3: #1d7a4f; --c4: #7b3fa0; --c5: #8a6d00; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14171b; --card: #1d2126; --text: #e6e9ed; --dim: #9aa4b0; --line: #363c44;
    --good: #58c98a; --bad: #ff8a80; --shade: 235, 145, 40;
    --c0: #3f74b8; --c1: #b9d6ff; --c2: #f0a070; --c3: #6fd3a2; --c4: #cf9df0; --c5: #e3c55c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 16px; }
h1 { font-size: 1.5rem; margin: .4rem 0 .8rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .4rem 0; }
code, pre, td.hash { font-family: ui-monospace, monospace; font-size: .85em; }
pre { background: var(--card); padding: 12px; border-radius: 8px; overflow-x: auto; margin: .5rem 0; }
.good { color: var(--good); } .bad { color: var(--bad); } .dim { color: var(--dim); font-size: .875rem; }
.verdict { border-left: 4px solid var(--good); background: var(--card); padding: 8px 12px; border-radius: 0 8px 8px 0;
  margin: .5rem 0; overflow-wrap: anywhere; }
.verdict.different { border-color: var(--bad); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: .8rem 0; padding: 0; list-style: none; }
.legend li { display: flex; align-items: center; gap: 8px; overflow-wrap: anywhere; }
.legend svg { width: 44px; height: 12px; flex: none; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 12px; }
.card { background: var(--card); border-radius: 8px; padding: 12px; min-width: 0; }
.card.wide { grid-column: 1 / -1; }
.card svg { display: block; width: 100%; height: auto; margin-top: 6px; }
svg text { fill: var(--dim); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--line); stroke-width: 1; } .axis { stroke: var(--dim); stroke-width: 1; }
svg path { fill: none; stroke-linejoin: round; stroke-linecap: round; }
.run0 path { stroke: var(--c0); stroke-width: 6; opacity: .55; } .run0 circle { fill: var(--c0); }
.run1 path { stroke: var(--c1); stroke-width: 1.8; } .run1 circle { fill: var(--c1); }
.run2 path { stroke: var(--c2); stroke-width: 2; stroke-dasharray: 8 6; } .run2 circle { fill: var(--c2); }
.run3 path { stroke: var(--c3); stroke-width: 2; stroke-dasharray: 2 5; } .run3 circle { fill: var(--c3); }
.run4 path { stroke: var(--c4); stroke-width: 2; stroke-dasharray: 10 4 2 4; } .run4 circle { fill: var(--c4); }
.run5 path { stroke: var(--c5); stroke-width: 2; stroke-dasharray: 4 4; } .run5 circle { fill: var(--c5); }
circle { opacity: 0; } circle:hover { opacity: 1; } .sparse circle { opacity: 1; }
.sparse .run0 circle { r: 5px; opacity: .55; }
svg.narrow { display: none !important; }
@media (max-width: 700px) { svg.large { display: none !important; } svg.narrow { display: block !important; } }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--dim); font-weight: 600; white-space: nowrap; }
td.hash { white-space: nowrap; }
td .dim { font-size: inherit; }
td.gap { color: var(--dim); text-align: center; }
.sample { margin: 10px 0; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; margin: .4rem 0; }
.answer { background: var(--back); border: 1px solid var(--line); border-radius: 6px; padding: 8px 10px; }
.s0 { background: rgba(var(--shade), 0); } .s1 { background: rgba(var(--shade), .14); }
.s2 { background: rgba(var(--shade), .28); } .s3 { background: rgba(var(--shade), .44); }
.s4 { background: rgba(var(--shade), .58); } .s5 { background: rgba(var(--shade), .9); color: #1c1200; }
.id { border: 1px solid var(--line); border-radius: 4px; padding: 0 3px; margin-right: 3px; }
.key span { padding: 1px 8px; border: 1px solid var(--line); display: inline-block; }
.key span:not(.s5) { color: var(--text); }
summary { cursor: pointer; margin-top: .8rem; }
summary span { display: inline-block; margin-left: .8em; font-size: .875rem; overflow-wrap: anywhere; }
)css";

}  // namespace invar
