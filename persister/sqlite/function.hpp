// function.hpp: SQL functions as C++: errors become the statement's, an aggregate's state is an object.
#pragma once

#include <cmath>
#include <string>

#include "host.hpp"

namespace ringdown::extension {

/// A function's arguments.
class Arguments {
 public:
  explicit Arguments(sqlite3_value** values) : values_(values) {}

  bool is_null(int i) const noexcept { return sqlite3_value_type(values_[i]) == SQLITE_NULL; }
  bool is_text(int i) const noexcept { return sqlite3_value_type(values_[i]) == SQLITE_TEXT; }
  /// Throw std::runtime_error that names the argument when it is something else.
  double number(int i, const char* name) const {
    const int type = sqlite3_value_numeric_type(values_[i]);
    if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) fail(i, name, "a number");
    return sqlite3_value_double(values_[i]);
  }
  std::int64_t integer(int i, const char* name) const {
    if (sqlite3_value_numeric_type(values_[i]) != SQLITE_INTEGER) fail(i, name, "an integer");
    return sqlite3_value_int64(values_[i]);
  }
  std::string text(int i) const {
    const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(values_[i]));
    if (!text) throw std::bad_alloc();
    return {text, static_cast<std::size_t>(sqlite3_value_bytes(values_[i]))};
  }
  std::span<const std::byte> blob(int i, const char* name) const {
    if (sqlite3_value_type(values_[i]) != SQLITE_BLOB) fail(i, name, "a blob");
    const auto* bytes = static_cast<const std::byte*>(sqlite3_value_blob(values_[i]));
    return {bytes, static_cast<std::size_t>(sqlite3_value_bytes(values_[i]))};
  }
  /// 0 to 1
  double quantile(int i) const {
    const auto q = number(i, "q");
    if (!(q >= 0 && q <= 1)) fail(i, "q", "0 to 1");
    return q;
  }
  [[noreturn]] void fail(int i, const char* name, const char* expected) const {
    constexpr std::size_t shown_max = 40;
    const int type = sqlite3_value_type(values_[i]);
    const auto found = type == SQLITE_NULL ? "NULL" : type == SQLITE_BLOB ? "a blob" : text(i).substr(0, shown_max);
    throw std::runtime_error(std::string(name) + " is " + found + "; expected " + expected);
  }

 private:
  sqlite3_value** values_;
};

/// NULL for what is not finite.
inline void give(sqlite3_context* out, double value) {
  std::isfinite(value) ? sqlite3_result_double(out, value) : sqlite3_result_null(out);
}

/// Body: the function's name, and the same thing done.
template <class Body>
void answer(sqlite3_context* out, const Body& body) noexcept {
  const auto* name = static_cast<const char*>(sqlite3_user_data(out));
  const int code = guarded(body, [&](const char* why) {
    if (char* text = sqlite3_mprintf("%s: %s", name, why)) {
      sqlite3_result_error(out, text, -1);
      sqlite3_free(text);
    }
  });
  if (code == SQLITE_NOMEM) sqlite3_result_error_nomem(out);
}

inline constexpr int pure = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;

/// F: double operator()(const Arguments&)
template <class F>
int add_scalar(sqlite3* host, const char* name, int arguments) {
  return sqlite3_create_function_v2(
      host, name, arguments, pure, const_cast<char*>(name),
      [](sqlite3_context* out, int, sqlite3_value** values) {
        answer(out, [&] { give(out, F{}(Arguments(values))); });
      },
      nullptr, nullptr, nullptr);
}

/// A: void add(const Arguments&), double result(). Made with the first row; without any the result is NULL.
template <class A>
int add_aggregate(sqlite3* host, const char* name, int arguments) {
  return sqlite3_create_function_v2(
      host, name, arguments, pure, const_cast<char*>(name), nullptr,
      [](sqlite3_context* out, int, sqlite3_value** values) {
        answer(out, [&] {
          auto* const state = static_cast<A**>(sqlite3_aggregate_context(out, sizeof(A*)));
          if (!state) throw std::bad_alloc();
          if (!*state) *state = new A;
          (*state)->add(Arguments(values));
        });
      },
      [](sqlite3_context* out) {
        auto* const state = static_cast<A**>(sqlite3_aggregate_context(out, 0));
        if (!state || !*state) return;
        answer(out, [&] { give(out, (*state)->result()); });
        delete *state;
      },
      nullptr);
}

}  // namespace ringdown::extension
