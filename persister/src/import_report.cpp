#include "import_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ring/error.hpp"

namespace ringdown {
namespace {

/// A field with what would end it put in quotes.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == text.npos) return text;
  std::string out = "\"";
  for (const char c : text) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

nlohmann::ordered_json tally_json(const Tally& tally) {
  return {
      {"rows", tally.rows()}, {"stored", tally.stored}, {"covered", tally.covered}, {"ambiguous", tally.ambiguous()}};
}

std::string file_text(const ImportAccount& account) {
  if (account.read() == 0) return account.file + ": nothing new\n";
  auto text = fmt::format("{}\n{:<12} {:>12} {:>12} {:>12} {:>12} {:>12}\n", account.file, "granularity", "rows",
                          "stored", "covered", "ambiguous", "run before");
  for (std::size_t g = 0; g < granularity_count; ++g)
    text += fmt::format("{:<12} {:>12} {:>12} {:>12} {:>12} {:>12}\n", granularity_names[g], account.rows[g],
                        account.run[g].stored, account.run[g].covered, account.run[g].ambiguous(),
                        account.before[g].rows());
  for (std::size_t d = 0; d < doubt_count; ++d) {
    std::int64_t count = 0;
    for (const auto& tally : account.run) count += tally.doubts[d];
    if (count == 0) continue;
    text +=
        fmt::format("ambiguous: {}: {} rows, ids {}{}\n", doubt_texts[d], count, fmt::join(account.shown[d], ", "),
                    count > static_cast<std::int64_t>(account.shown[d].size()) ? " ..." : "");
  }
  if (!account.holds())
    text +=
        "FAILED: rows is what an index counts, and differs from stored + covered + ambiguous, which were read; see "
        "whether the old database is damaged (PRAGMA integrity_check)\n";
  return text;
}

}  // namespace

bool ImportAccount::holds() const noexcept {
  for (std::size_t g = 0; g < granularity_count; ++g)
    if (rows[g] != run[g].rows()) return false;
  return true;
}

std::int64_t ImportAccount::read() const noexcept {
  std::int64_t sum = 0;
  for (const auto& tally : run) sum += tally.rows();
  return sum;
}

DoubtList::DoubtList(const std::string& file) : name_(file) {
  if (file.empty()) return;
  std::error_code none;
  const bool is_new = std::filesystem::file_size(file, none) == 0 || none;
  out_.open(file, std::ios::app);
  if (is_new) out_ << "file,id,reason,meaning\n";
  check();
}

void DoubtList::add(const std::string& old_file, const std::vector<DoubtfulRow>& rows) {
  if (name_.empty() || rows.empty()) return;
  for (const auto& [id, why] : rows) {
    const auto at = static_cast<std::size_t>(why);
    out_ << fmt::format("{},{},{},{}\n", csv_field(old_file), id, doubt_names[at], csv_field(doubt_texts[at]));
  }
  out_.flush();
  check();
}

void DoubtList::check() const {
  if (!out_)
    throw ring::Error(ring::Failure::system,
                      "write " + name_ + ": it failed; see to the folder, or choose another --list");
}

std::string import_text(const std::vector<ImportAccount>& accounts) {
  std::string text;
  for (const auto& account : accounts) text += file_text(account);
  const bool holds =
      std::all_of(accounts.begin(), accounts.end(), [](const auto& account) { return account.holds(); });
  return text + (holds ? "All rows are stored, covered by finer ones, or listed as ambiguous.\n" : "");
}

std::string import_json(const std::string& database, const std::vector<ImportAccount>& accounts, double seconds) {
  auto files = nlohmann::ordered_json::array();
  bool holds = true;
  std::int64_t rows = 0;
  for (const auto& account : accounts) {
    holds &= account.holds();
    rows += account.read();
    nlohmann::ordered_json granularities, ambiguous = nlohmann::ordered_json::object();
    for (std::size_t g = 0; g < granularity_count; ++g) {
      granularities[granularity_names[g]] = tally_json(account.run[g]);
      granularities[granularity_names[g]]["counted"] = account.rows[g];
      granularities[granularity_names[g]]["before"] = tally_json(account.before[g]);
    }
    for (std::size_t d = 0; d < doubt_count; ++d) {
      std::int64_t count = 0;
      for (const auto& tally : account.run) count += tally.doubts[d];
      if (count > 0)
        ambiguous[doubt_names[d]] = {{"meaning", doubt_texts[d]}, {"rows", count}, {"first_ids", account.shown[d]}};
    }
    files.push_back({{"file", account.file}, {"granularities", granularities}, {"ambiguous", ambiguous}});
  }
  return nlohmann::ordered_json{
             {"db", database}, {"holds", holds}, {"rows", rows}, {"seconds", seconds}, {"files", files}}
             .dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
         "\n";
}

}  // namespace ringdown
