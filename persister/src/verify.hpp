// verify.hpp: proves of a database that no sample was lost or counted twice on its way into the tiers.
//
// It only reads, and may run beside the persister: a read transaction lasts for one tier's pass at most, and
// the persister's WAL is held back for so long. Memory: see DESIGN.md, "Verify".
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sqlite.hpp"

namespace ringdown {

struct Verified {
  /// One thing that has to hold.
  struct Check {
    std::string name;
    std::int64_t rows = 0;  // looked at
    std::int64_t left_out =
        0;  // that cannot be told: marked in `dirty`, of a damaged batch, of another kind before
    std::int64_t future = 0;  // rows at or above a frontier whose samples came early, as they may
    std::int64_t findings = 0;
    std::vector<std::string> shown = {};  // the first of them
    std::vector<std::string> notes = {};  // what should be known and is no finding

    void find(std::string what);
    void note(std::string what);
  };
  Check batches{"batches"}, windows{"windows"}, samples_1s{"samples in tier_1s"}, samples_1m{"samples in tier_1m"},
      wide_5m{"tier_5m of tier_1m"}, wide_1h{"tier_1h of tier_5m"}, rows{"rows"}, frontiers{"frontiers"},
      references{"references"}, cursors{"cursors"}, progress{"progress"};

  std::vector<const Check*> checks() const;
  std::int64_t findings() const;
};

/// Told how far a pass is, 0 to 1.
using Told = std::function<void(const std::string& pass, double part)>;

/// Throws ring::Error with a remedy unless it is a database of ours, of this program's schema version (or an older one).
enum class Older { refused, taken };
void require_ours(Database& database, Older older = Older::refused);

/// Throws SqliteError when the database cannot be read, ring::Error when it is none of ours.
Verified verify(Database& database, const Told& told);

std::string verified_text(const Verified& verified);
std::string verified_json(const Verified& verified);

/// ring-persister verify. @param quiet  says nothing when all holds
/// @return its exit status: 0 all holds, 1 findings, 3 could not be read
int verify_command(const std::string& file, bool json, bool quiet);

/// The pass over what is sealed (verify_windows.cpp).
void verify_windows(Database& database, Verified& out, const Told& told);

// The passes over the tiers, each within a Snapshot (verify_samples.cpp, verify_rows.cpp).

/// tier_1s or tier_1m has every raw sample that it must have, once.
void verify_samples(Database& database, const std::string& tier, Verified& out, const Told& told);
/// Every row of `to` is what those of `from` make.
void verify_wide(Database& database, const std::string& from, const std::string& to, Verified& out,
                 const Told& told);
/// Every row of a tier is possible for itself.
void verify_rows(Database& database, const std::string& tier, Verified& out, const Told& told);

/// Rows of the job's table from here on are all kept, s since the epoch.
std::int64_t kept_from_s(Database& database, const std::string& job);
/// "tier_1m bucket 1700000040 series 3: "
std::string place(const std::string& tier, std::int64_t bucket_s, std::int64_t series);

}  // namespace ringdown
