// recorders.hpp: the rivals that keep values for others to find: LTTng-UST, a PCP MMV value, a table in
// SQLite.
#pragma once

#include <memory>

#include "../folder.hpp"
#include "../naive_table.hpp"
#include "ring/error.hpp"
#include "rival.hpp"

#ifdef PEERS_LTTNG
#include "tracepoint.h"
#endif
#ifdef PEERS_MMV
// clang-format off
#include <pcp/pmapi.h>  // mmv_stats.h needs it first
#include <pcp/mmv_stats.h>
// clang-format on
#endif

namespace peers {

#ifdef PEERS_LTTNG
/// An LTTng-UST tracepoint into per-CPU buffers that overwrite (a snapshot session): nobody reads, and how
/// many records were kept is not known here.
class LttngUst {
 public:
  static constexpr const char* name = "lttng_ust";
  static constexpr Traits traits{
      .producers = 2, .refuses = false, .read = false, .counts = false, .pushes = 500'000};

  explicit LttngUst(std::size_t) {
    if (!lttng_ust_tracepoint_enabled(ringdown_bench, sample))
      throw ring::Error(ring::Failure::bad_argument,
                        "no session records ringdown_bench:sample; run bench/peers.sh");
  }
  bool push(const Record& record) noexcept {
    lttng_ust_tracepoint(ringdown_bench, sample, record.time_ns, record.value, record.series, record.seq);
    return true;
  }
  auto writer(std::size_t) { return RecordWriter(*this); }
  std::uint64_t drain(Seen&) { return 0; }
};
#endif

#ifdef PEERS_MMV
/// One value of Performance Co-Pilot's memory-mapped values. It keeps the newest value only, without a time:
/// the value here is the number of pushes, so that a reader can tell how many it has missed.
class PcpMmv {
 public:
  static constexpr const char* name = "pcp_mmv";
  static constexpr Traits traits{.processes = true, .refuses = false};

  explicit PcpMmv(std::size_t) {
    std::filesystem::create_directory(folder_.path() / "mmv");
    ::setenv("PCP_TMP_DIR", folder_.path().c_str(), 1);
    ::mmv_stats_add_metric(registry_.get(), "value", 1, MMV_TYPE_DOUBLE, MMV_SEM_INSTANT, pmUnits{}, 0,
                           "bench", "bench");
    values_ = ::mmv_stats_start(registry_.get());
    if (!values_) throw ring::Error(ring::Failure::no_memory, "mmv_stats_start: found no file to map");
    value_ = ::mmv_lookup_value_desc(values_, "value", "");
    if (!value_)
      throw ring::Error(ring::Failure::foreign, "mmv_lookup_value_desc: the value is not in the file");
  }

  struct Writer {
    void* values;
    pmAtomValue* value;
    double pushes = 0;
    bool push(std::int64_t, double) noexcept {
      ::mmv_set_value(values, value, ++pushes);
      return true;
    }
  };
  Writer writer(std::size_t) { return {values_, value_}; }

  std::uint64_t drain(Seen& seen) {
    const auto newest = *const_cast<volatile double*>(&value_->d);
    const auto count = static_cast<std::uint64_t>(newest - last_);
    if (count == 0) return 0;
    last_ = newest;
    ++seen.read;
    seen.lost += count - 1;
    return 1;
  }
  void reader_lost() noexcept { last_ = *const_cast<volatile double*>(&value_->d); }

 private:
  struct Free {
    void operator()(mmv_registry_t* registry) const noexcept { ::mmv_stats_free(registry); }
  };
  bench::Folder folder_;
  std::unique_ptr<mmv_registry_t, Free> registry_{
      ::mmv_stats_registry("ringdown_bench", 1, static_cast<mmv_stats_flags_t>(0))};
  void* values_ = nullptr;
  pmAtomValue* value_ = nullptr;
  double last_ = 0;
};
#endif

/// One autocommit INSERT a record into the naive table.
class SqliteInsert {
 public:
  static constexpr const char* name = "sqlite_insert";
  static constexpr Traits traits{
      .producers = 2, .refuses = false, .read = false, .pushes = 1000, .warm_up = 200};

  explicit SqliteInsert(std::size_t) : reader_(folder_.database()) {}

  class Writer {
   public:
    explicit Writer(const std::string& path) : table_(std::make_unique<bench::NaiveTable>(path)) {}
    bool push(std::int64_t time_ns, double value) noexcept try {
      table_->insert(time_ns, "wanctl_rtt_ms", value);
      return true;
    } catch (const ringdown::SqliteError&) {  // busy for the whole timeout
      return false;
    }

   private:
    std::unique_ptr<bench::NaiveTable> table_;
  };
  Writer writer(std::size_t) { return Writer(folder_.database()); }

  std::uint64_t drain(Seen& seen) {
    const auto count = static_cast<std::uint64_t>(reader_.rows()) - rows_;
    rows_ += count;
    seen.read += count;
    return count;
  }

 private:
  bench::Folder folder_;
  bench::NaiveTable reader_;
  std::uint64_t rows_ = 0;
};

}  // namespace peers
