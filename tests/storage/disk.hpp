// disk.hpp: the files of a folder as a disk holds them that may lose its power: what was written and not
// synced, and entries of the folder that were not synced, are only perhaps there afterwards.
//
// A write that was not synced is kept, dropped or torn into sectors, whatever comes of others, before or
// behind it; so is a truncation. An entry that was made or removed since the folder's last sync is in any
// state since. A sync of a file covers its entry; the first one of a new journal or WAL, before which SQLite
// syncs the folder, covers them all.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "shim_vfs.hpp"

namespace storage {

class Disk : public Watcher {
 public:
  /// What is in the folder now is on the disk. Watches from here on.
  Disk(const std::filesystem::path& folder, std::mt19937_64& random);
  ~Disk() override { watch(nullptr); }

  /// The power fails in the Nth call of all, or of those of one kind; from then on no call succeeds.
  void cut_at(int nth) { cut_at_ = nth; }
  void cut_at(int nth, Call kind) { cut_at_ = nth, cut_kind_ = kind; }
  bool is_cut() const noexcept { return is_cut_; }
  int calls() const noexcept { return calls_; }
  int calls(Call kind) const noexcept { return calls_of_[static_cast<std::size_t>(kind)]; }
  /// Told of each file that was synced.
  std::function<void(const std::string& path)> synced = [](auto&) {};

  /// The machine starts again: the folder's files become what the disk chose to keep. Once, at the end.
  void restart();

  Verdict before(const Event& event) override;
  void after(const Event& event) override;

  struct Counts {
    long kept = 0, dropped = 0, torn = 0, entries = 0;
  };
  const Counts& counts() const noexcept { return counts_; }

 private:
  struct Change {
    std::int64_t offset;           // the new size of a truncation
    std::vector<std::byte> bytes;  // none: a truncation
  };
  struct Inode {
    std::vector<std::byte> durable;
    std::vector<Change> pending;
  };
  using Entry = std::vector<std::shared_ptr<Inode>>;  // its states since its last sync, null for no file

  void take(const Event& event);
  std::vector<std::byte> survivor(const Inode& inode, double keeps);
  bool happens(double probability) { return std::uniform_real_distribution<>()(random_) < probability; }
  static void apply(const Change& change, std::vector<std::byte>& image);

  std::filesystem::path folder_;
  std::mt19937_64& random_;
  std::map<std::string, Entry> entries_;
  int cut_at_ = 0;  // never
  std::optional<Call> cut_kind_;
  bool is_cut_ = false;
  int calls_ = 0;
  std::array<int, call_names.size()> calls_of_{};
  Counts counts_;
};

}  // namespace storage
