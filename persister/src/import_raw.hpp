// import_raw.hpp: the raw rows of old tables become samples in batches, all files together in the order of their
// time.
//
// A row's time is a whole second, and a control loop writes twenty in one. The n rows of a series in a second are put
// at 0/n, 1/n and so on of it, in the order of their ids: so each counts for its share of the time that a state
// lasts. A row whose time has a fraction keeps it.
//
// A batch ends where a new second begins, so that an import that was killed goes on as it would have. Its commit has
// the time of its newest sample, if the database has none that is later: then rollups, windows and ages are those of
// samples that were stored when they were new. Else they are late samples.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "import_cover.hpp"
#include "import_file.hpp"
#include "store.hpp"

namespace ringdown {

using ImportFiles = std::vector<std::unique_ptr<ImportFile>>;

class ImportRaw {
 public:
  /// @param committing  called before each commit
  ImportRaw(Store& store, ImportFiles& files, OldSeries& series, std::function<void()> committing);

  void run(std::int64_t now_s);
  /// Samples that this has stored.
  std::int64_t samples() const noexcept { return samples_; }

 private:
  struct Source {
    ImportFile* file;
    ImportFile::Row next = {};
    bool has_next = false;
  };
  /// The rows of a series in a second.
  struct Second {
    std::uint32_t series;
    std::int64_t time_ns;
    std::int64_t rows = 0;
    bool operator==(const Second& b) const noexcept { return series == b.series && time_ns == b.time_ns; }
  };
  struct Place {
    std::uint32_t second;  // in seconds_, or none
    std::uint32_t nth;
  };
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  void advance(Source& source);
  Source* earliest();
  void take(Source& source);
  bool overlaps(const ImportFile& file, std::uint32_t series, std::int64_t minute_s);
  std::uint32_t second_of(std::uint32_t series, std::int64_t time_ns);
  void place_samples();
  void commit();

  Store& store_;
  OldSeries& series_;
  std::function<void()> committing_;
  ImportCover cover_;
  std::vector<Source> sources_;
  std::uint32_t known_end_;  // series below it were there before

  Batch batch_;
  std::vector<Place> places_;  // of each sample
  std::vector<Second> seconds_;
  std::vector<std::uint32_t> last_second_;                      // by series, in seconds_
  std::unordered_map<std::uint64_t, std::uint32_t> second_at_;  // by series and second, of this batch
  std::int64_t newest_ns_ = 0;                                  // in the batch
  std::int64_t samples_ = 0;
  struct Checked {
    const ImportFile* file = nullptr;
    std::int64_t minute_s = 0;
    bool overlaps = false;
  };
  std::vector<Checked> checked_;  // by series, the last one
};

}  // namespace ringdown
