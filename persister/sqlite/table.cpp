// table.cpp: the virtual tables over raw samples; extension.cpp says what they show.
#include <array>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "schema.hpp"
#include "selection.hpp"

namespace ringdown::extension {
namespace {

/// SQLite puts the results of OR together by a primary key, which the samples of one time and series have not without
/// `nth`. The rows of a key keep their order whatever is asked for, as all of them are read, or none.
constexpr auto primary_key = "PRIMARY KEY (time_ns, series, nth)) WITHOUT ROWID";

constexpr Column samples_columns[] = {
    {"time_ns INTEGER", Content::time_ns},
    {"timestamp REAL", Content::timestamp},
    {"series INTEGER", Content::series_id, "id"},
    {"name TEXT", Content::of_series, "name"},
    {"labels TEXT", Content::of_series, "labels"},
    {"kind TEXT", Content::of_series, "kind"},
    {"unit TEXT", Content::of_series, "unit"},
    {"value REAL", Content::value},
    {"state TEXT", Content::state},
    {"skip_damaged INTEGER HIDDEN", Content::skip_damaged},
    {"schema TEXT HIDDEN", Content::schema},
    {"nth INTEGER HIDDEN", Content::nth},
};
constexpr Column metrics_columns[] = {
    {"timestamp REAL", Content::timestamp},
    {"wan_name TEXT", Content::of_series, "CAST(coalesce(json_extract(labels, '$.wan'), '') AS TEXT)"},
    {"metric_name TEXT", Content::of_series, "name"},
    {"value REAL", Content::value},
    {"labels TEXT", Content::of_series, "CAST(json_remove(labels, '$.wan') AS TEXT)"},
    {"granularity TEXT", Content::of_series, "CAST('raw' AS TEXT)"},
    {"skip_damaged INTEGER HIDDEN", Content::skip_damaged},
    {"schema TEXT HIDDEN", Content::schema},
    {"time_ns INTEGER HIDDEN", Content::time_ns},
    {"series INTEGER HIDDEN", Content::series_id, "id"},
    {"nth INTEGER HIDDEN", Content::nth},
};
constexpr Shape shapes[] = {{"ring_samples", samples_columns}, {"ring_metrics", metrics_columns}};

struct Table : sqlite3_vtab {
  sqlite3* host;
  const Shape* shape;
};

/// What a query shows of a series.
struct Info {
  std::vector<Value> values = {};        // by column, of those that come from the table series
  std::vector<std::string> states = {};  // names of the values 0, 1, ...
};

/// The table series of the database that is read. What was looked up is kept.
class SeriesTable {
 public:
  SeriesTable(Database& database, const Shape& shape) : shape_(shape), select_(database, sql(shape)) {}

  /// nullptr if there is none
  const Info* find(std::uint32_t id) {
    auto& slot = recent_[id % recent_.size()];
    if (slot.second && slot.first == id) return slot.second;
    const auto known = known_.find(id);
    const Info* found = known != known_.end() ? &known->second : look_up(id);
    if (found) slot = {id, found};
    return found;
  }

 private:
  static std::string sql(const Shape& shape) {
    std::string out = "SELECT states";
    for (const auto& column : shape.columns)
      if (column.expression) out += std::string(", ") + column.expression;
    return out + " FROM series WHERE id = ?";
  }
  const Info* look_up(std::uint32_t id) {
    select_.reset();
    select_.bind(1, std::int64_t{id});
    if (!select_.step()) return nullptr;
    Info info;
    const auto names = nlohmann::json::parse(select_.text(0), nullptr, false);
    if (names.is_array())
      for (const auto& name : names) info.states.push_back(name.is_string() ? name.get<std::string>() : "");
    int at = 0;
    for (const auto& column : shape_.columns) {
      info.values.emplace_back(column.expression ? sqlite3_value_dup(select_.value(++at)) : nullptr);
      if (column.expression && !info.values.back()) throw std::bad_alloc();
    }
    select_.reset();
    return &known_.emplace(id, std::move(info)).first->second;
  }

  const Shape& shape_;
  Statement select_;
  std::unordered_map<std::uint32_t, Info> known_;
  std::array<std::pair<std::uint32_t, const Info*>, 1024> recent_{};
};

/// What is read, once it is known to be a database of ours.
struct Opened {
  Opened(sqlite3* host, const Shape& shape, const std::string& schema)
      : database(host, schema), series((check(host, shape, schema), database), shape) {}

  void check(sqlite3* host, const Shape& shape, const std::string& schema) {
    const std::string name = shape.name, what = name + ": database " + database.path();
    const auto fail = [&](const std::string& why) { throw SqliteError(SQLITE_ERROR, what + why); };
    if (!sqlite3_db_filename(host, schema.c_str()))
      fail(" is not attached; ATTACH it under this name, or name another: " + name + "(0, 'main')");
    if (const auto id = database.pragma("application_id"); id != schema::application_id)
      fail(" is none of Ringdown's (application_id " + std::to_string(id) + ", expected " +
           std::to_string(schema::application_id) + "); open one, or ATTACH it and name it: " + name +
           "(0, 'its name')");
    const auto version = database.pragma("user_version");
    if (version == schema::version) return;
    fail(" has schema version " + std::to_string(version) + ", this extension reads " +
         std::to_string(schema::version) +
         (version < schema::version ? "; start ring-persister with it once, which brings it up to date"
                                    : "; load the libringdown_sqlite that came with its ring-persister"));
  }

  Database database;
  SeriesTable series;
};

class Cursor : public sqlite3_vtab_cursor {
 public:
  explicit Cursor(Table& table) : sqlite3_vtab_cursor{}, table_(table) {}

  void filter(const char* plan, std::span<sqlite3_value*> values) {
    end();
    nth_ = 0;
    Chosen chosen(*table_.shape, plan, values);
    skip_damaged_ = chosen.skip_damaged();
    if (!opened_ || schema_ != chosen.schema()) {
      opened_.reset();
      schema_ = chosen.schema();
      opened_.emplace(table_.host, *table_.shape, schema_);
    }
    auto selection = chosen.selection(opened_->database);
    if (!selection) return;
    reader_.emplace(opened_->database, std::move(*selection),
                    [this](const auto& what, auto, auto) { damaged(what); });
    find_row();
  }

  void next() {
    const auto before = samples_[at_++];
    find_row();
    if (!at_end())
      nth_ = samples_[at_].time_ns == before.time_ns && samples_[at_].series == before.series ? nth_ + 1 : 0;
  }

  bool at_end() const noexcept { return at_ == samples_.size(); }

  void show(sqlite3_context* out, std::size_t column) const {
    const auto& sample = samples_[at_];
    switch (table_.shape->columns[column].content) {
      case Content::time_ns: return sqlite3_result_int64(out, sample.time_ns);
      case Content::timestamp: return sqlite3_result_double(out, static_cast<double>(sample.time_ns) / 1e9);
      case Content::value: return sqlite3_result_double(out, sample.value);
      case Content::state: return show_state(out, sample.value);
      case Content::skip_damaged: return sqlite3_result_int(out, skip_damaged_);
      case Content::nth: return sqlite3_result_int64(out, nth_);
      case Content::schema: return sqlite3_result_text(out, schema_.c_str(), -1, SQLITE_TRANSIENT);
      default: return sqlite3_result_value(out, info_->values[column].get());
    }
  }

  /// After an error.
  void end() noexcept {
    samples_ = {};
    at_ = 0;
    reader_.reset();
  }

 private:
  /// Goes on to the next sample whose series is known.
  void find_row() {
    for (;; ++at_) {
      if (at_ == samples_.size()) {
        at_ = 0;
        samples_ = {};
        samples_ = reader_->next();
        if (samples_.empty()) return;
      }
      info_ = opened_->series.find(samples_[at_].series);
      if (info_) return;
      damaged("samples of series " + std::to_string(samples_[at_].series) + ", which is not in the table series");
    }
  }

  void damaged(const std::string& what) const {
    if (skip_damaged_) return;
    throw SqliteError(SQLITE_CORRUPT_VTAB, std::string(table_.shape->name) + ": database " +
                                               opened_->database.path() + " is damaged: " + what +
                                               "; skip_damaged = 1 leaves it out");
  }

  void show_state(sqlite3_context* out, double value) const {
    if (!(value >= 0) || !(value < static_cast<double>(info_->states.size()))) return;
    const auto at = static_cast<std::size_t>(value);
    if (static_cast<double>(at) != value) return;
    sqlite3_result_text(out, info_->states[at].c_str(), static_cast<int>(info_->states[at].size()), SQLITE_TRANSIENT);
  }

  Table& table_;
  std::string schema_;
  bool skip_damaged_ = false;
  std::optional<Opened> opened_;
  std::optional<RawReader> reader_;
  std::span<const RawSample> samples_;
  std::size_t at_ = 0;
  const Info* info_ = nullptr;
  std::int64_t nth_ = 0;  // of the samples of its time and series
};

Cursor& cursor_of(sqlite3_vtab_cursor* cursor) { return *static_cast<Cursor*>(cursor); }

/// A callback that reads. After an error there are no rows.
template <class Body>
int reading(sqlite3_vtab_cursor* cursor, const Body& body) noexcept {
  auto* table = cursor->pVtab;
  const int code = guarded([&] { body(cursor_of(cursor)); },
                           [&](const char* text) {
                             sqlite3_free(table->zErrMsg);
                             table->zErrMsg = sqlite3_mprintf("%s", text);
                           });
  if (code != SQLITE_OK) cursor_of(cursor).end();
  return code;
}

int connect(sqlite3* host, void* shape_given, int, const char* const*, sqlite3_vtab** out, char**) noexcept {
  const auto& shape = *static_cast<const Shape*>(shape_given);
  return guarded(
      [&] {
        std::string sql = "CREATE TABLE x(";
        for (const auto& column : shape.columns) sql += std::string(column.declaration) + ", ";
        if (const int code = sqlite3_declare_vtab(host, (sql + primary_key).c_str()); code != SQLITE_OK)
          throw SqliteError(code, sqlite3_errmsg(host));
        *out = new Table{{}, host, &shape};
      },
      [](const char*) {});
}

sqlite3_module make_module() {
  sqlite3_module out{};  // without xCreate: there is one table of this name, and it needs no CREATE
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
    return guarded([&] { *cursor = new Cursor(*static_cast<Table*>(table)); }, [](const char*) {});
  };
  out.xClose = [](sqlite3_vtab_cursor* cursor) {
    delete static_cast<Cursor*>(cursor);
    return SQLITE_OK;
  };
  out.xFilter = [](sqlite3_vtab_cursor* cursor, int, const char* plan, int count, sqlite3_value** values) {
    return reading(cursor, [&](Cursor& of) { of.filter(plan, {values, static_cast<std::size_t>(count)}); });
  };
  out.xNext = [](sqlite3_vtab_cursor* cursor) { return reading(cursor, [](Cursor& of) { of.next(); }); };
  out.xEof = [](sqlite3_vtab_cursor* cursor) { return cursor_of(cursor).at_end() ? 1 : 0; };
  out.xColumn = [](sqlite3_vtab_cursor* cursor, sqlite3_context* context, int column) {
    cursor_of(cursor).show(context, static_cast<std::size_t>(column));
    return SQLITE_OK;
  };
  out.xRowid = [](sqlite3_vtab_cursor*, sqlite3_int64*) { return SQLITE_ERROR; };  // not asked for: WITHOUT ROWID
  return out;
}

}  // namespace

int add_tables(sqlite3* host) {
  static const sqlite3_module module = make_module();
  for (const auto& shape : shapes)
    if (const int code = sqlite3_create_module_v2(host, shape.name, &module, const_cast<Shape*>(&shape), nullptr);
        code != SQLITE_OK)
      return code;
  return SQLITE_OK;
}

}  // namespace ringdown::extension
