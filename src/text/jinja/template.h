// A parsed template: immutable, may be rendered by many threads at once.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/jinja/budget.h"
#include "text/jinja/interpreter.h"

namespace invar::jinja {

struct Rendered {
  std::string text;
  std::vector<Span> generation_spans;  // of {% generation %} blocks, in the order they closed
  bool span_lost = false;              // such a block ran inside a macro, a call or a set block
};

class Template {
 public:
  // Errors: invalid UTF-8, syntax, unknown filters and tests, limits; "line N: ...".
  static Result<Template> parse(std::string_view source, const Limits& limits = {});

  // variables: an object, each member a name of the template. now: what strftime_now tells; none: it is an error.
  // Errors: what the template does wrong or refuses (raise_exception), limits; "line N: ...".
  Result<Rendered> render(const nlohmann::ordered_json& variables,
                          const std::optional<DateTime>& now = {}) const;

 private:
  Template(Block body, const Limits& limits)
      : body_(std::make_shared<const Block>(std::move(body))), limits_(limits) {}

  std::shared_ptr<const Block> body_;
  Limits limits_;
};

}  // namespace invar::jinja
