// copy.hpp: one state of a database, which a persister may be writing, in a file of its own.
//
// A read transaction holds that state for as long as the copy of the pages takes, and the persister's WAL is kept from
// being emptied for so long. What bounds it is how much the WAL may grow meanwhile: beyond it the copy is given up.
#pragma once

#include <cstdint>
#include <string>

#include "partial_file.hpp"
#include "verify.hpp"

namespace ringdown {

struct CopyOptions {
  std::uint64_t wal_bytes_max = 16 << 20;  // that the source's WAL may grow by
  std::uint64_t bytes_per_second = 0;      // 0: as fast as it goes
  int slice_pages = 256;                   // between two looks at the WAL
  bool verify = true;                      // the copy, as `ring-persister verify` does
};

struct Copied {
  std::uint64_t bytes = 0;
  std::uint64_t wal_bytes = 0;   // that the source's WAL grew by
  double copy_s = 0, check_s = 0;
  std::int64_t committed_ns = 0;  // the newest commit that the copy has, ns since the epoch; 0: none
  bool is_verified = false;       // not if it was not asked for, or of an older schema
  Verified verified = {};
};

/// Copies `from` into `to`, and checks and syncs the copy: a database in one file, without a WAL. Throws ring::Error or
/// SqliteError; findings of verify are in the result, since the source may have them as well.
Copied copy_database(const std::string& from, const PartialFile& to, const CopyOptions& options, const Told& told);

/// For both commands that copy: says what verify found, if that is so. @return whether the copy may be used
bool is_sound(const Copied& copied, const std::string& from);

/// "1170 MiB copied in 1.7 s (WAL 3 MiB longer), verified in 100.2 s, commits up to 2026-01-01T00:00:00Z"
std::string copied_text(const Copied& copied);

/// The application_id that the file's first page tells; -1 when that is no SQLite database, 0 for an empty file.
/// Throws ring::Error unless it is a regular file that can be read.
std::int64_t application_of(const std::string& file);

}  // namespace ringdown
