#include "disk.hpp"

#include <sqlite3.h>

#include <fstream>

#include "support.hpp"

namespace storage {
namespace {

constexpr std::size_t sector_bytes = 512;

std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
  const auto text = support::read_file(path);
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

}  // namespace

Disk::Disk(const std::filesystem::path& folder, std::mt19937_64& random) : folder_(folder), random_(random) {
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const auto path = file.path().string();
    if (path.ends_with(".db") || path.ends_with("-wal") || path.ends_with("-journal"))
      entries_[path] = {std::make_shared<Inode>(Inode{read_bytes(path), {}})};
  }
  watch(this);
}

Verdict Disk::before(const Event& event) {
  if (is_cut_) return {SQLITE_IOERR};
  ++calls_;
  const auto of_kind = ++calls_of_[static_cast<std::size_t>(event.call)];
  if (cut_at_ == 0 || (cut_kind_ ? event.call != *cut_kind_ || of_kind != cut_at_ : calls_ != cut_at_))
    return {};
  is_cut_ = true;
  if (happens(0.5)) take(event);  // it was under way, or had just been done
  return {SQLITE_IOERR};
}

void Disk::after(const Event& event) {
  if (is_cut_) return;
  take(event);
  if (event.call == Call::sync) synced(event.path);
}

void Disk::take(const Event& event) {
  if (event.path.empty()) return;
  auto& entry = entries_[event.path];
  if (entry.empty()) entry.push_back(nullptr);
  const auto& inode = entry.back();
  switch (event.call) {
    case Call::open:
      // The persister itself makes an empty database before SQLite opens it.
      if (event.creates || (!entry.back() && std::filesystem::exists(event.path)))
        entry.push_back(std::make_shared<Inode>());
      break;
    case Call::write:
      inode->pending.push_back({event.offset, {event.bytes.begin(), event.bytes.end()}});
      break;
    case Call::truncate:
      inode->pending.push_back({event.offset, {}});
      break;
    case Call::remove:
      entry.push_back(nullptr);
      if (event.syncs_folder) entry = {nullptr};
      break;
    case Call::sync:
      for (const auto& change : inode->pending) apply(change, inode->durable);
      inode->pending.clear();
      entry = {entry.back()};
      if (event.syncs_folder)
        for (auto& [path, other] : entries_) other = {other.back()};
      break;
    default:
      break;
  }
}

void Disk::apply(const Change& change, std::vector<std::byte>& image) {
  const auto at = static_cast<std::size_t>(change.offset);
  if (change.bytes.empty()) return image.resize(at);
  image.resize(std::max(image.size(), at + change.bytes.size()));
  std::copy(change.bytes.begin(), change.bytes.end(), image.begin() + change.offset);
}

std::vector<std::byte> Disk::survivor(const Inode& inode, double keeps) {
  auto image = inode.durable;
  for (const auto& change : inode.pending) {
    const bool torn = !change.bytes.empty() && happens(0.1);
    const bool kept = happens(keeps);
    ++(torn ? counts_.torn : kept ? counts_.kept : counts_.dropped);
    if (!torn) {
      if (kept) apply(change, image);
      continue;
    }
    for (std::size_t from = 0; from < change.bytes.size();) {
      const auto at = static_cast<std::size_t>(change.offset) + from;
      const auto to = std::min(from + sector_bytes - at % sector_bytes, change.bytes.size());
      const auto sector = std::span(change.bytes).subspan(from, to - from);
      if (happens(0.5)) apply({static_cast<std::int64_t>(at), {sector.begin(), sector.end()}}, image);
      from = to;
    }
  }
  return image;
}

void Disk::restart() {
  constexpr double chances[] = {0, 0.2, 0.5, 0.8, 0.98, 1};
  const auto keeps = chances[random_() % std::size(chances)];
  const bool files_stay = happens(0.5);
  watch(nullptr);
  for (const auto& [path, entry] : entries_) {
    auto inode = entry[random_() % entry.size()];
    if (files_stay)
      for (const auto& state : entry)
        if (state) inode = state;
    counts_.entries += entry.size() > 1;
    std::filesystem::remove(path);
    if (!inode) continue;
    const auto image = survivor(*inode, keeps);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(image.data()), static_cast<std::streamsize>(image.size()));
  }
}

}  // namespace storage
