// printf-style formatting ("%s of %d" % values) and str.format.
#pragma once

#include <string>

#include "text/jinja/value.h"

namespace invar::jinja {

class Interpreter;

// values: a tuple gives one value a field, a dict serves %(name)s, anything else is the one value.
std::string format_percent(Budget& budget, const std::string& format, const Value& values);

// "{} {0} {name.attribute[key]!r:>8}".format(...)
std::string format_braces(Interpreter& interpreter, const std::string& format, const Arguments& arguments);

}  // namespace invar::jinja
