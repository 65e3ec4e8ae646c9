#include "tier_source.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "batch_source.hpp"
#include "fold.hpp"
#include "rollup.hpp"
#include "store.hpp"

namespace ringdown {
namespace {

/// What every row has, in the order of its columns; `increase` only a counter's.
constexpr const char* parts[] = {"_count", "_sum", "_min", "_max", "_last", "_increase"};
constexpr int part_count = 6;
constexpr const char* columns = "t.count, t.sum, t.min, t.max, t.last, t.increase, t.states";

std::string job_of(Tier tier) { return std::string("tier_") + tier_names[tier]; }

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out.append(c == '\'' ? 2 : 1, c);
  return out + '\'';
}

/// The name of a state, else its number.
std::string state_name(const ring::Definition& series, const StateTime& state) {
  if (state.is_other()) return "other";
  const auto index = static_cast<std::size_t>(std::max(0.0, state.state));
  if (static_cast<double>(index) == state.state && index < series.states.size()) return series.states[index];
  const auto text = states_text({state});  // {"0.5":7}
  return text.substr(2, text.find('"', 2) - 2);
}

void arrange(std::vector<RemoteSample>& samples) {
  std::stable_sort(samples.begin(), samples.end(), [](const RemoteSample& a, const RemoteSample& b) {
    return std::pair(a.series, a.time_ms) < std::pair(b.series, b.time_ms);
  });
}

}  // namespace

std::unique_ptr<SinkSource> make_source(Database& database, const RemoteWriteSettings& settings) {
  if (settings.send == tier_raw) return std::make_unique<BatchSource>(database, settings);
  return std::make_unique<TierSource>(database, settings);
}

void note_redone(Database& writer, const std::string& destination, Tier tier) {
  const auto name = "temp.\"remote_write_redone " + destination + '"';
  // The outer statement's OR IGNORE would hold in the trigger as well, so it says DELETE and INSERT.
  writer.execute("DROP TRIGGER IF EXISTS " + name + "; CREATE TEMP TRIGGER " + name.substr(5) + " AFTER INSERT ON main." + job_of(tier) +
                 " WHEN new.bucket < (SELECT frontier FROM main.progress WHERE job = '" + job_of(tier) + "') BEGIN "
                 "DELETE FROM remote_write_redone WHERE destination = " + quoted(destination) +
                 " AND bucket = new.bucket AND series = new.series; "
                 "INSERT INTO remote_write_redone (destination, bucket, series) VALUES (" + quoted(destination) +
                 ", new.bucket, new.series); END");
}

std::int64_t tier_frontier_s(Database& database, Tier tier) { return read_progress(database, job_of(tier)).frontier_s; }

TierSource::TierSource(Database& database, const RemoteWriteSettings& settings)
    : database_(database),
      destination_(settings.name),
      job_(job_of(settings.send)),
      wanted_(settings.batch_samples),
      select_(settings.select.begin(), settings.select.end()),
      labels_(settings.labels) {}

bool TierSource::next(std::int64_t position, std::int64_t, Portion& out) {
  out = {.position = read_progress(database_, job_).frontier_s};
  if (position >= out.position) return false;
  auto& rows = database_.prepared("SELECT t.bucket, t.series, " + std::string(columns) + " FROM " + job_ +
                                  " AS t WHERE t.bucket >= ? AND t.bucket < ? ORDER BY t.bucket, t.series");
  rows.bind(1, position).bind(2, out.position);
  auto last_s = position;
  while (rows.step()) {
    const auto bucket_s = rows.integer(0);
    if (bucket_s != last_s && static_cast<std::int64_t>(out.samples.size()) >= wanted_) {
      out.position = bucket_s;
      break;
    }
    last_s = bucket_s;
    take(rows, 2, bucket_s, rows.integer(1), out);
  }
  rows.reset();
  arrange(out.samples);
  return true;
}

bool TierSource::next_waiting(std::int64_t, Portion& out) {
  out = {};
  auto& rows = database_.prepared("SELECT r.id, r.bucket, r.series, t.bucket IS NOT NULL, " + std::string(columns) +
                                  " FROM remote_write_redone AS r LEFT JOIN " + job_ +
                                  " AS t ON t.bucket = r.bucket AND t.series = r.series WHERE r.destination = ? ORDER BY r.id LIMIT ?");
  rows.bind(1, std::string_view(destination_)).bind(2, std::max<std::int64_t>(1, wanted_ / part_count));
  while (rows.step()) {
    out.rows.push_back(rows.integer(0));
    if (rows.integer(3)) take(rows, 4, rows.integer(1), rows.integer(2), out);
  }
  rows.reset();
  arrange(out.samples);
  return !out.rows.empty();
}

/// Null when it is not sent, or not there.
TierSource::Source* TierSource::find(std::int64_t series) {
  if (series >= static_cast<std::int64_t>(sources_.size()))
    for (auto& row : read_series(database_, static_cast<std::int64_t>(sources_.size()))) {
      sources_.resize(row.id + std::size_t{1});
      const auto matches = [&](const Selector& selector) { return selector.matches(row.definition); };
      const bool is_sent = std::any_of(select_.begin(), select_.end(), matches);
      sources_.back() = {std::move(row.definition), is_sent, {}, {}};
    }
  if (series < 1 || series >= static_cast<std::int64_t>(sources_.size())) return nullptr;
  auto& source = sources_[static_cast<std::size_t>(series)];
  return source.is_sent ? &source : nullptr;
}

/// @param column  of the first of `columns`
void TierSource::take(Statement& row, int column, std::int64_t bucket_s, std::int64_t series, Portion& out) {
  auto* const source = find(series);
  if (!source) return;
  const auto time_ms = bucket_s * 1000;
  for (int part = 0; part < part_count; ++part)
    if (!row.is_null(column + part))
      out.samples.push_back({number(*source, static_cast<std::size_t>(part)), time_ms, row.real(column + part)});
  if (!row.is_null(column + part_count)) take_states(*source, row.text(column + part_count), time_ms, out);
}

void TierSource::take_states(Source& source, const std::string& text, std::int64_t time_ms, Portion& out) {
  std::vector<StateTime> states;
  try {
    states = parse_states(text);
  } catch (const std::runtime_error&) {  // verify tells of it
    return;
  }
  for (const auto& state : states) {
    const auto name = state_name(source.definition, state);
    const auto [known, is_new] = source.states.try_emplace(name);
    std::string label = "state";
    const auto has = [&](const ring::Labels& labels) {
      return std::any_of(labels.begin(), labels.end(), [&](const auto& pair) { return pair.first == label; });
    };
    while (is_new && (has(source.definition.labels) || has(labels_))) label += '_';
    if (is_new) known->second = number(source, "_seconds", {{label, name}});
    out.samples.push_back({known->second, time_ms, static_cast<double>(state.ns) / 1e9});
  }
}

std::uint32_t TierSource::number(Source& source, std::size_t part) {
  if (source.numbers.empty())
    for (const auto* suffix : parts) source.numbers.push_back(number(source, suffix, {}));
  return source.numbers[part];
}

std::uint32_t TierSource::number(const Source& source, const std::string& suffix, const ring::Labels& more) {
  auto labels = labels_;
  labels.insert(labels.end(), more.begin(), more.end());
  sent_.push_back({static_cast<std::uint32_t>(&source - sources_.data()), source.definition.name + suffix,
                   encode_labels(source.definition, suffix, labels)});
  return static_cast<std::uint32_t>(sent_.size() - 1);
}

}  // namespace ringdown
