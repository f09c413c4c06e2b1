#include "text/jinja/template.h"

#include "text/jinja/json.h"
#include "text/jinja/lexer.h"
#include "text/jinja/parser.h"
#include "text/jinja/unicode.h"

namespace invar::jinja {

// One line whatever the template put into the message.
static Error one_line(const Failure& failure) {
  std::string message = failure.message;
  for (char& c : message) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return failure.line > 0 ? error("chat template, line {}: {}", failure.line, message)
                          : error("chat template: {}", message);
}

Result<Template> Template::parse(std::string_view source, const Limits& limits) {
  try {
    if (static_cast<int64_t>(source.size()) > limits.source_bytes_max)
      fail("limit source_bytes_max: the template has {} bytes, at most {} are allowed", source.size(),
           limits.source_bytes_max);
    if (!valid_utf8(source)) fail("the template is not valid UTF-8");
    return Template(Parser(tokenize(source), limits).parse(), limits);
  } catch (const Failure& failure) {
    return one_line(failure);
  }
}

Result<Rendered> Template::render(const nlohmann::ordered_json& variables,
                                  const std::optional<DateTime>& now) const {
  if (now && !valid(*now)) return error("chat template: the date given for strftime_now is no date");
  try {
    Interpreter interpreter(limits_, now);
    std::vector<std::pair<std::string, Value>> scope;
    for (const auto& [name, value] : variables.items())
      scope.emplace_back(name, from_json(interpreter.budget(), value));
    Rendered rendered;
    rendered.text = interpreter.run(*body_, std::move(scope));
    rendered.generation_spans = interpreter.spans();
    rendered.span_lost = interpreter.span_lost();
    return rendered;
  } catch (const Failure& failure) {
    return one_line(failure);
  }
}

}  // namespace invar::jinja
