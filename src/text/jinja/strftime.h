// Dates in templates. The moment comes from the caller, never from a clock: the same request gives the same prompt.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/budget.h"

namespace invar::jinja {

struct DateTime {
  int year = 1970;  // 1 to 9999
  int month = 1;    // 1 to 12
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

bool valid(const DateTime& moment);

// Python's datetime.strftime in the C locale, without time zones.
std::string strftime(Budget& budget, const DateTime& moment, std::string_view format);

}  // namespace invar::jinja
