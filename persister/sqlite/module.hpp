// module.hpp: a virtual table that only reads, as C++: what its cursor throws becomes the statement's error.
#pragma once

#include <span>
#include <string>

#include "selection.hpp"

namespace ringdown::extension {

struct Table : sqlite3_vtab {
  sqlite3* host;
  const Shape* shape;
};

/// Callbacks of a table whose rows a Cursor gives:
///   Cursor(Table&)
///   void filter(const char* plan, std::span<sqlite3_value*> values)   from the first row on
///   void next()
///   bool at_end() const noexcept
///   void show(sqlite3_context*, std::size_t column) const             of the row
///   void end() noexcept                                               no rows any more: after an error
template <class Cursor>
class Module {
 public:
  /// There is one table of the shape's name, and it needs no CREATE.
  static int add(sqlite3* host, const Shape& shape) {
    static const sqlite3_module module = make();
    return sqlite3_create_module_v2(host, shape.name, &module, const_cast<Shape*>(&shape), nullptr);
  }

 private:
  struct Handle : sqlite3_vtab_cursor {
    explicit Handle(Table& table) : sqlite3_vtab_cursor{}, cursor(table) {}
    Cursor cursor;
  };
  static Cursor& cursor_of(sqlite3_vtab_cursor* handle) { return static_cast<Handle*>(handle)->cursor; }

  /// A callback that reads. After an error there are no rows.
  template <class Body>
  static int reading(sqlite3_vtab_cursor* handle, const Body& body) noexcept {
    auto* table = handle->pVtab;
    const int code = guarded([&] { body(cursor_of(handle)); },
                             [&](const char* text) {
                               sqlite3_free(table->zErrMsg);
                               table->zErrMsg = sqlite3_mprintf("%s", text);
                             });
    if (code != SQLITE_OK) cursor_of(handle).end();
    return code;
  }

  static int connect(sqlite3* host, void* shape_given, int, const char* const*, sqlite3_vtab** out, char**) noexcept {
    const auto& shape = *static_cast<const Shape*>(shape_given);
    return guarded(
        [&] {
          std::string sql = "CREATE TABLE x(";
          for (const auto& column : shape.columns) sql += std::string(column.declaration) + ", ";
          sql += "PRIMARY KEY (" + std::string(shape.primary_key) + ")) WITHOUT ROWID";
          if (const int code = sqlite3_declare_vtab(host, sql.c_str()); code != SQLITE_OK)
            throw SqliteError(code, sqlite3_errmsg(host));
          *out = new Table{{}, host, &shape};
        },
        [](const char*) {});
  }

  static sqlite3_module make() {
    sqlite3_module out{};  // without xCreate
    out.xConnect = connect;
    out.xDisconnect = [](sqlite3_vtab* table) {
      delete static_cast<Table*>(table);
      return SQLITE_OK;
    };
    out.xBestIndex = [](sqlite3_vtab* table, sqlite3_index_info* info) {
      int code = SQLITE_OK;
      const int thrown =
          guarded([&] { code = choose_conditions(*static_cast<Table*>(table)->shape, *info); }, [](const char*) {});
      return thrown != SQLITE_OK ? thrown : code;
    };
    out.xOpen = [](sqlite3_vtab* table, sqlite3_vtab_cursor** cursor) {
      return guarded([&] { *cursor = new Handle(*static_cast<Table*>(table)); }, [](const char*) {});
    };
    out.xClose = [](sqlite3_vtab_cursor* handle) {
      delete static_cast<Handle*>(handle);
      return SQLITE_OK;
    };
    out.xFilter = [](sqlite3_vtab_cursor* handle, int, const char* plan, int count, sqlite3_value** values) {
      return reading(handle, [&](Cursor& of) { of.filter(plan, {values, static_cast<std::size_t>(count)}); });
    };
    out.xNext = [](sqlite3_vtab_cursor* handle) { return reading(handle, [](Cursor& of) { of.next(); }); };
    out.xEof = [](sqlite3_vtab_cursor* handle) { return cursor_of(handle).at_end() ? 1 : 0; };
    out.xColumn = [](sqlite3_vtab_cursor* handle, sqlite3_context* context, int column) {
      cursor_of(handle).show(context, static_cast<std::size_t>(column));
      return SQLITE_OK;
    };
    out.xRowid = [](sqlite3_vtab_cursor*, sqlite3_int64*) { return SQLITE_ERROR; };  // not asked for: WITHOUT ROWID
    return out;
  }
};

}  // namespace ringdown::extension
