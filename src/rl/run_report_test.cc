#include "rl/run_report.h"

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>

#include "rl/ledger_testing.h"
#include "rl/run_chart.h"
#include "rl/run_folder.h"
#include "rl/run_text.h"

namespace invar {
namespace {

using RunReportTest = LedgerTest;

int64_t count(const std::string& text, const std::string& needle) {
  int64_t found = 0;
  for (auto at = text.find(needle); at != std::string::npos; at = text.find(needle, at + needle.size()))
    ++found;
  return found;
}

// Tags open and close in order, and every & begins an entity: what a text that was not escaped would break.
void expect_well_formed(const std::string& page) {
  std::vector<std::string> open;
  for (auto at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const auto end = page.find('>', at);
    ASSERT_NE(end, std::string::npos);
    std::string tag = page.substr(at + 1, end - at - 1);
    ASSERT_FALSE(tag.empty());
    if (tag[0] == '!' || tag.ends_with('/') || tag.starts_with("meta") || tag == "br") continue;
    if (tag[0] == '/') {
      ASSERT_FALSE(open.empty()) << tag;
      ASSERT_EQ(open.back(), tag.substr(1)) << page.substr(at, 200);
      open.pop_back();
    } else {
      ASSERT_TRUE(tag[0] >= 'a' && tag[0] <= 'z') << tag;
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  EXPECT_TRUE(open.empty());
}

TEST_F(RunReportTest, IdenticalRunsAreSaidToBeAndBothCurvesAreDrawn) {
  const Ledger a = write_run(path("a.db"), 8), b = write_run(path("b.db"), 8);
  const ReportRun runs[] = {{"runs/a", &a}, {"runs/b", &b}};
  const auto page = report_html(runs);
  ASSERT_TRUE(page.ok()) << page.message();
  expect_well_formed(*page);
  EXPECT_NE(page->find("= identical</strong> through step 8"), std::string::npos);
  EXPECT_EQ(count(*page, "\u2260 "), 1);  // the key of the hash table alone
  EXPECT_GE(count(*page, "<g class=\"run0\">"), 6);
  EXPECT_EQ(count(*page, "<g class=\"run0\">"), count(*page, "<g class=\"run1\">"));
  for (const char* needle : {"http:", "https:", "<script", "url(", "@import", "src="})
    EXPECT_EQ(page->find(needle), std::string::npos) << needle;
}

TEST_F(RunReportTest, RunsThatDifferAreMarkedFromThatStepOn) {
  const Ledger a = write_run(path("a.db"), 4);
  Ledger b = write_run(path("b.db"), 2);
  for (int64_t step = 3; step <= 4; ++step) {
    StepRecord record = test_step(step);
    record.hashes.weights = hash_of("others");
    ASSERT_TRUE(b.append(record).ok());
  }
  const ReportRun runs[] = {{"a", &a}, {"b", &b}};
  const auto page = report_html(runs);
  ASSERT_TRUE(page.ok()) << page.message();
  expect_well_formed(*page);
  EXPECT_NE(page->find("different</strong> from step 3"), std::string::npos);
  EXPECT_EQ(count(*page, "class=\"bad\">\u2260 "), 1 + 2 * 2);  // the verdict; weights and chain of two steps
}

TEST_F(RunReportTest, HostileTextsStayTexts) {
  const std::string evil = "</pre></span><script>alert(1)</script> &amp; \"'\xff\x01 \xe2\x80\xae";
  auto ledger = Ledger::open(path(), LedgerMode::kWrite);
  RunInfo info = test_run();
  info.config = info.model_path = info.profile = info.created_at = info.fingerprint = evil;
  ASSERT_TRUE(ledger->begin(info).ok());
  StepRecord record = test_step(1);
  for (RolloutRecord& rollout : record.rollouts) {
    rollout.text = rollout.label = rollout.prompt_text = rollout.finish = evil;
    rollout.token_ends.assign(rollout.tokens.size(), static_cast<int32_t>(evil.size()));
    rollout.token_ends[0] = 3;
  }
  record.rollouts[1].token_ends.clear();
  record.metrics.emplace_back(evil, 1.0);
  record.timings.emplace_back(evil, 1.0);
  record.evals = {{.name = evil, .prompts = 1, .score = 1}};
  ASSERT_TRUE(ledger->append(record).ok());
  const ReportRun runs[] = {{evil, &*ledger}, {evil, &*ledger}};
  const auto page = report_html(runs);
  ASSERT_TRUE(page.ok()) << page.message();
  expect_well_formed(*page);
  EXPECT_EQ(page->find("<script"), std::string::npos);
  EXPECT_EQ(page->find('\xff'), std::string::npos);
  EXPECT_EQ(page->find('\x01'), std::string::npos);
  EXPECT_EQ(page->find("\xe2\x80\xae"), std::string::npos);
}

TEST_F(RunReportTest, OddRunsHaveAReportToo) {
  Ledger ledger = write_run(path(), 0);
  const ReportRun runs[] = {{"a", &ledger}};
  auto page = report_html(runs);  // no step yet
  ASSERT_TRUE(page.ok()) << page.message();
  expect_well_formed(*page);
  for (int64_t step = 1; step <= 100; ++step) {
    StepRecord record = test_step(step, step == 1 ? 0 : 6);  // none, and more than are shown
    const double odd[] = {std::nan(""), 1e308, -1e308, std::numeric_limits<double>::infinity(), 0, 1};
    record.metrics = {{"reward", odd[step % 6]}, {"kl", std::nan("")}};
    for (int i = 0; i < 40; ++i) record.metrics.emplace_back(fmt::format("metric {}", i), 1e-310 * i);
    ASSERT_TRUE(ledger.append(record).ok());
  }
  page = report_html(runs);
  ASSERT_TRUE(page.ok()) << page.message();
  expect_well_formed(*page);
  EXPECT_NE(page->find("no finite value"), std::string::npos);
  EXPECT_NE(page->find("and 16 more metrics"), std::string::npos);
  EXPECT_NE(page->find("and 2 more samples"), std::string::npos);
  EXPECT_EQ(page->find("nan\" cy"), std::string::npos);
  EXPECT_EQ(count(*page, "class=\"gap\""), 1);
}

TEST_F(RunReportTest, TokensThatShareACharacterAreShadedTogether) {
  Ledger ledger = write_run(path(), 0);
  StepRecord record = test_step(1, 1);
  RolloutRecord& rollout = record.rollouts[0];
  rollout.text = "a\xe2\x82\xac!";
  rollout.tokens = {1, 2, 3, 4};
  rollout.log_probs = {-0.05f, -3.0f, -0.05f, -0.3f};
  rollout.token_ends = {1, 2, 4, 5};
  ASSERT_TRUE(ledger.append(record).ok());
  const ReportRun runs[] = {{"a", &ledger}};
  const auto page = report_html(runs);
  ASSERT_TRUE(page.ok()) << page.message();
  EXPECT_NE(page->find(">a</span><span class=\"s4\""), std::string::npos);
  EXPECT_NE(page->find(">\xe2\x82\xac</span><span class=\"s1\""), std::string::npos);
  EXPECT_NE(page->find("token 2: id 3, log-prob -0.05 (bd4ccccd)"), std::string::npos);
}

TEST(RunChart, TicksAreRoundNumbersWithinTheRange) {
  EXPECT_EQ(chart_ticks(0, 1, 5), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_EQ(chart_ticks(1, 40, 5), (std::vector<double>{10, 20, 30, 40}));
  EXPECT_EQ(chart_ticks(-3, 3, 3), (std::vector<double>{-2, 0, 2}));
  for (const double high : {1e-300, 1e-12, 3.7, 1e12, 1e300}) {
    const std::vector<double> ticks = chart_ticks(0, high, 5);
    EXPECT_GE(ticks.size(), 3u) << high;
    EXPECT_LE(ticks.size(), 7u) << high;
  }
  // Narrower than doubles can divide: few ticks, but an end.
  EXPECT_LE(chart_ticks(1, std::nextafter(1.0, 2.0), 5).size(), 100u);
}

TEST(RunText, NothingInATextMovesTheCursor) {
  EXPECT_EQ(printable("a\nb\t\x1b[31m\\ \x7f"), "a\\nb\\t\\x1b[31m\\\\ \\x7f");
  EXPECT_EQ(printable("\xff\xe2\x82\xac\xe2\x80\xae\xc2\x9b"),
            "\xef\xbf\xbd\xe2\x82\xac\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(printable("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 2), "\xe2\x82\xac\xe2\x82\xac...");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(html("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
}

TEST_F(RunReportTest, RunsAreFoundBelowAFolderInOrder) {
  namespace fs = std::filesystem;
  for (const char* name : {"b/run.db", "a/deep/run.db", ".hidden/run.db", "c/other.db", "d/run.db/run.db"}) {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name)) << "x";
  }
  const auto found = find_ledgers(folder_);
  ASSERT_TRUE(found.ok()) << found.message();
  EXPECT_EQ(*found,
            (std::vector<std::string>{path("a/deep/run.db"), path("b/run.db"), path("d/run.db/run.db")}));
  EXPECT_EQ(run_name(path("b/run.db")), path("b"));
  EXPECT_EQ(run_name("run.db"), ".");
  EXPECT_FALSE(find_ledgers(path("none")).ok());
}

}  // namespace
}  // namespace invar
