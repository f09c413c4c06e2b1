#include "text/jinja/strftime.h"

#include <chrono>

namespace invar::jinja {
namespace {

constexpr std::string_view kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};

std::chrono::sys_days days(const DateTime& moment) {
  return std::chrono::year(moment.year) / moment.month / moment.day;
}

std::string field(const DateTime& m, char code) {
  const int weekday = static_cast<int>(std::chrono::weekday(days(m)).c_encoding());
  const auto new_year = std::chrono::sys_days(std::chrono::year(m.year) / 1 / 1);
  const auto day_of_year = static_cast<int>((days(m) - new_year).count());
  const int hour12 = m.hour % 12 == 0 ? 12 : m.hour % 12;
  const std::string_view day = kDays[weekday];
  const std::string_view month = kMonths[m.month - 1];
  switch (code) {
    case 'a': return std::string(day.substr(0, 3));
    case 'A': return std::string(day);
    case 'b':
    case 'h': return std::string(month.substr(0, 3));
    case 'B': return std::string(month);
    case 'd': return fmt::format("{:02}", m.day);
    case 'e': return fmt::format("{:2}", m.day);
    case 'm': return fmt::format("{:02}", m.month);
    case 'y': return fmt::format("{:02}", m.year % 100);
    case 'Y': return fmt::format("{}", m.year);
    case 'H': return fmt::format("{:02}", m.hour);
    case 'I': return fmt::format("{:02}", hour12);
    case 'M': return fmt::format("{:02}", m.minute);
    case 'S': return fmt::format("{:02}", m.second);
    case 'f': return "000000";
    case 'p': return m.hour < 12 ? "AM" : "PM";
    case 'j': return fmt::format("{:03}", day_of_year + 1);
    case 'w': return fmt::format("{}", weekday);
    case 'u': return fmt::format("{}", weekday == 0 ? 7 : weekday);
    case 'U': return fmt::format("{:02}", (day_of_year + 7 - weekday) / 7);
    case 'W': return fmt::format("{:02}", (day_of_year + 7 - (weekday + 6) % 7) / 7);
    case 'F': return fmt::format("{}-{:02}-{:02}", m.year, m.month, m.day);
    case 'D':
    case 'x': return fmt::format("{:02}/{:02}/{:02}", m.month, m.day, m.year % 100);
    case 'T':
    case 'X': return fmt::format("{:02}:{:02}:{:02}", m.hour, m.minute, m.second);
    case 'R': return fmt::format("{:02}:{:02}", m.hour, m.minute);
    case 'c':
      return fmt::format("{} {} {:2} {:02}:{:02}:{:02} {}", day.substr(0, 3), month.substr(0, 3), m.day,
                         m.hour, m.minute, m.second, m.year);
    case 'n': return "\n";
    case 't': return "\t";
    case '%': return "%";
    case 'z':
    case 'Z': return "";
    default: fail("strftime_now does not know %{}", code);
  }
}

}  // namespace

bool valid(const DateTime& moment) {
  const auto date = std::chrono::year(moment.year) / moment.month / moment.day;
  return moment.year >= 1 && moment.year <= 9999 && moment.month >= 1 && moment.day >= 1 && date.ok() &&
         moment.hour >= 0 && moment.hour < 24 && moment.minute >= 0 && moment.minute < 60 &&
         moment.second >= 0 && moment.second < 60;
}

std::string strftime(Budget& budget, const DateTime& moment, std::string_view format) {
  Text out(budget);
  for (size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%') {
      out << format.substr(at, 1);
      continue;
    }
    bool unpadded = false;
    if (++at < format.size() && format[at] == '-') {  // glibc: %-d is the day without its zero
      unpadded = true;
      ++at;
    }
    if (at >= format.size()) fail("the format of strftime_now ends inside a %");
    std::string text = field(moment, format[at]);
    if (unpadded) {
      const size_t first = text.find_first_not_of("0 ");
      text = first == std::string::npos ? text.substr(text.size() - 1) : text.substr(first);
    }
    out << text;
  }
  return out.take();
}

}  // namespace invar::jinja
