// INVAR_CHECK: our own bugs. On in every build; prints the expression and a message, then aborts.
// A fault of the caller or the world (a file, a flag, a request) is a Result, never a check.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace invar {

[[noreturn]] inline void check_failed(const char* file, int line, const char* expression,
                                      const std::string& message) {
  std::fprintf(stderr, "%s:%d: INVAR_CHECK(%s) failed%s%s\n", file, line, expression,
               message.empty() ? "" : ": ", message.c_str());
  std::abort();
}

inline std::string check_message() { return {}; }
template <class... Args>
std::string check_message(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}

}  // namespace invar

// INVAR_CHECK(rows >= 0, "rows = {}", rows): say both values in the message.
#define INVAR_CHECK(condition, ...)                                                               \
  do {                                                                                            \
    if (!(condition)) [[unlikely]]                                                                \
      ::invar::check_failed(__FILE__, __LINE__, #condition, ::invar::check_message(__VA_ARGS__)); \
  } while (false)
