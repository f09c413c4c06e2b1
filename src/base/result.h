// Result<T>: a value, or one clear message. For everything that is not our own bug: files, flags, requests.
//
// The message says what was expected, what was found, where, and what to do; it is one line.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace invar {

struct Error {
  std::string message;
};

template <class... Args>
[[nodiscard]] Error error(fmt::format_string<Args...> format, Args&&... args) {
  return Error{fmt::format(format, std::forward<Args>(args)...)};
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // The value; calling it on an error is a bug.
  T& value() & {
    INVAR_CHECK(ok(), "{}", std::get<1>(state_).message);
    return std::get<0>(state_);
  }
  const T& value() const& { return const_cast<Result*>(this)->value(); }
  T&& value() && { return std::move(value()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const std::string& message() const { return std::get<1>(state_).message; }
  Error take_error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

// Success without a value, or an error.
struct Ok {};
using Status = Result<Ok>;

}  // namespace invar

// INVAR_TRY(auto file, open(path)): the value, or return the error from this function.
#define INVAR_TRY(declaration, expression) \
  INVAR_TRY_IMPL(declaration, expression, INVAR_TRY_CAT(result_, __LINE__))
#define INVAR_TRY_CAT(a, b) INVAR_TRY_CAT2(a, b)
#define INVAR_TRY_CAT2(a, b) a##b
#define INVAR_TRY_IMPL(declaration, expression, name)  \
  auto name = (expression);                            \
  if (!name.ok()) return std::move(name).take_error(); \
  declaration = std::move(name).value()

// INVAR_RETURN_IF_ERROR(write(path)): for a Status.
#define INVAR_RETURN_IF_ERROR(expression)                      \
  do {                                                         \
    auto status_ = (expression);                               \
    if (!status_.ok()) return std::move(status_).take_error(); \
  } while (false)
