// Texts of a run (answers of a model, names, configs) made fit for a terminal or for HTML: nothing in them can move the
// cursor, break a table or end an element.
#pragma once

#include <string>
#include <string_view>

namespace invar {

// One line: control characters as \n, \t or \xNN, a backslash as \\, malformed UTF-8 and invisible direction marks
// replaced; after `columns` code points it ends with "...".
std::string printable(std::string_view text, std::size_t columns = std::string_view::npos);

// For the text and the quoted attributes of HTML: & < > " ' escaped, malformed UTF-8 and control characters except
// tab and line feed replaced.
std::string html(std::string_view text);

// A number as people read it: at most 6 significant digits, "nan", "inf".
std::string short_number(double value);

}  // namespace invar
