#include "rl/run_chart.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "rl/run_text.h"

namespace invar {
namespace {

constexpr double kLargest = 1e300;       // beyond it differences of values overflow
constexpr std::size_t kPointsMax = 150;  // of a line with marks to point at
constexpr int kLeft = 58, kRight = 12, kTop = 12, kBottom = 28;

bool drawn(const StepValue& point) { return std::abs(point.value) <= kLargest; }  // false for NaN

struct Range {
  double low = 0, high = 0;
  bool any = false;

  void add(double value) {
    low = any ? std::min(low, value) : value;
    high = any ? std::max(high, value) : value;
    any = true;
  }
  // A flat line gets room; one at 0 stays on the axis.
  void widen() {
    if (low < high) return;
    const double room = std::max(std::abs(low) / 10, 1e-9);
    high = low == 0 ? 1 : high + room;
    low = low == 0 ? 0 : low - room;
  }
};

class Plot {
 public:
  Plot(std::span<const ChartLine> lines, ChartSize size) : lines_(lines), size_(size) {
    for (const ChartLine& line : lines) {
      for (const StepValue& point : line.points) {
        if (!drawn(point)) continue;
        x_.add(static_cast<double>(point.step));
        y_.add(point.value);
      }
    }
    if (!y_.any) return;
    y_.widen();
    if (x_.low == x_.high) x_.high = x_.low + 1;
  }

  bool empty() const { return !y_.any; }

  std::string axes() const {
    std::string svg;
    for (const double tick : chart_ticks(y_.low, y_.high, 5)) {
      svg += fmt::format("<line class=\"grid\" x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\"/>", kLeft,
                         y(tick), size_.width - kRight, y(tick));
      svg += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", kLeft - 6, y(tick) + 4,
                         short_number(tick));
    }
    for (const double tick : chart_ticks(x_.low, x_.high, size_.width / 70)) {
      if (tick != std::floor(tick)) continue;
      svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>", x(tick),
                         size_.height - 8, short_number(tick));
    }
    svg += fmt::format("<line class=\"axis\" x1=\"{0}\" y1=\"{1}\" x2=\"{2}\" y2=\"{1}\"/>", kLeft,
                       size_.height - kBottom, size_.width - kRight);
    return svg;
  }

  std::string curve(const ChartLine& line) const {
    std::string path, marks;
    bool pen_down = false;
    const bool marked = line.points.size() <= kPointsMax;
    for (const StepValue& point : line.points) {
      if (!drawn(point)) {
        pen_down = false;
        continue;
      }
      const double at_x = x(static_cast<double>(point.step)), at_y = y(point.value);
      path += fmt::format("{}{:.1f} {:.1f}", pen_down ? "L" : "M", at_x, at_y);
      pen_down = true;
      if (marked)
        marks +=
            fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"><title>{}, step {}: {}</title></circle>",
                        at_x, at_y, html(line.name), point.step, point.value);
    }
    return fmt::format("<g class=\"run{}\"><path d=\"{}\"/>{}</g>", line.run % kChartStyles, path, marks);
  }

 private:
  double x(double step) const {
    return kLeft + (step - x_.low) / (x_.high - x_.low) * (size_.width - kLeft - kRight);
  }
  double y(double value) const {
    return size_.height - kBottom - (value - y_.low) / (y_.high - y_.low) * (size_.height - kTop - kBottom);
  }

  std::span<const ChartLine> lines_;
  ChartSize size_;
  Range x_, y_;
};

}  // namespace

std::vector<double> chart_ticks(double low, double high, int count) {
  INVAR_CHECK(low < high && count > 0, "{} to {} in {}", low, high, count);
  const double wanted = (high - low) / count;
  double step = 1;
  while (step * 10 <= wanted) step *= 10;
  while (step > wanted) step /= 10;
  // step <= wanted < 10 step
  if (wanted > 5 * step) {
    step *= 10;
  } else if (wanted > 2 * step) {
    step *= 5;
  } else if (wanted > step) {
    step *= 2;
  }
  std::vector<double> ticks;
  for (double k = std::ceil(low / step); k * step <= high && ticks.size() < 100; ++k)
    ticks.push_back(k * step + 0.0);
  return ticks;
}

std::string chart_svg(const std::string& title, std::span<const ChartLine> lines, ChartSize size) {
  const Plot plot(lines, size);
  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{} by step\">",
                                size.width, size.height, html(title));
  if (plot.empty()) {
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">no finite value</text>",
                       size.width / 2, size.height / 2);
    return svg + "</svg>";
  }
  svg += plot.axes();
  for (const ChartLine& line : lines) svg += plot.curve(line);
  return svg + "</svg>";
}

}  // namespace invar
