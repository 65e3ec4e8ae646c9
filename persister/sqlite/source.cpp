#include "source.hpp"

#include <nlohmann/json.hpp>

#include "schema.hpp"

namespace ringdown::extension {
namespace {

std::string select_sql(const Shape& shape) {
  std::string out = "SELECT states";
  for (const auto& column : shape.columns)
    if (column.expression) out += std::string(", ") + column.expression;
  return out + " FROM series WHERE id = ?";
}

void check(Database& database, sqlite3* host, const Shape& shape, const std::string& schema) {
  const std::string name = shape.name, what = name + ": database " + database.path();
  const std::string where = "FROM " + name + " WHERE schema = ";
  const auto fail = [&](const std::string& why) { throw SqliteError(SQLITE_ERROR, what + why); };
  if (!sqlite3_db_filename(host, schema.c_str()))
    fail(" is not attached; ATTACH it under this name, or name another: " + where + "'main'");
  if (const auto id = database.pragma("application_id"); id != schema::application_id)
    fail(" is none of Ringdown's (application_id " + std::to_string(id) + ", expected " +
         std::to_string(schema::application_id) + "); open one, or ATTACH it and name it: " + where + "'its name'");
  const auto version = database.pragma("user_version");
  if (version == schema::version) return;
  fail(" has schema version " + std::to_string(version) + ", this extension reads " +
       std::to_string(schema::version) +
       (version < schema::version ? "; start ring-persister with it once, which brings it up to date"
                                  : "; load the libringdown_sqlite that came with its ring-persister"));
}

}  // namespace

SeriesTable::SeriesTable(Database& database, const Shape& shape)
    : shape_(shape), select_(database, select_sql(shape)) {}

const Info* SeriesTable::find(std::uint32_t id) {
  auto& slot = recent_[id % recent_.size()];
  if (slot.second && slot.first == id) return slot.second;
  const auto known = known_.find(id);
  const Info* found = known != known_.end() ? &known->second : look_up(id);
  if (found) slot = {id, found};
  return found;
}

const Info* SeriesTable::look_up(std::uint32_t id) {
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

Source::Opened::Opened(sqlite3* host, const Shape& shape, const std::string& schema)
    : database(host, schema), series((check(database, host, shape, schema), database), shape) {}

void Source::open(const Chosen& chosen) {
  skip_damaged_ = chosen.skip_damaged();
  if (opened_ && schema_ == chosen.schema()) return;
  opened_.reset();
  schema_ = chosen.schema();
  opened_.emplace(host_, shape_, schema_);
}

void Source::damaged(const std::string& what) const {
  if (skip_damaged_) return;
  throw SqliteError(SQLITE_CORRUPT_VTAB, std::string(shape_.name) + ": database " + opened_->database.path() +
                                             " is damaged: " + what + "; skip_damaged = 1 leaves it out");
}

void Source::damaged_series(std::uint32_t series) const {
  damaged("samples of series " + std::to_string(series) + ", which is not in the table series");
}

}  // namespace ringdown::extension
