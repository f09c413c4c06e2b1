// A chart of one number by step, as inline SVG without scripts, styled by the page's classes: line i of every chart has
// class "run i". The first line is broad and pale, the next ones narrow and each dashed in another way, so that lines
// that lie on each other all show.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "rl/ledger.h"

namespace invar {

struct ChartLine {
  std::string name;
  std::size_t run = 0;            // its style
  std::vector<StepValue> points;  // ascending steps; what is not finite is left out and breaks the line
};

struct ChartSize {
  int width = 400;  // of the drawing's own units; text is 12 high
  int height = 220;
};

// Without any finite point: a text that says so.
std::string chart_svg(const std::string& title, std::span<const ChartLine> lines, ChartSize size);

// Round numbers that divide [low, high] into about `count` parts, all within it. low < high, both finite.
std::vector<double> chart_ticks(double low, double high, int count);

// Styles differ for so many runs and then repeat.
inline constexpr std::size_t kChartStyles = 6;

}  // namespace invar
