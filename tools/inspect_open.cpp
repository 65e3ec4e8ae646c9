#include "inspect_open.hpp"

#include <filesystem>

#include "nearest.hpp"

namespace inspect {
namespace {

constexpr const char* folder = "/dev/shm";
constexpr std::string_view prefix = "ringdown-";
constexpr std::size_t offered_max = 10;

std::string joined(const auto& names) {
  std::string out;
  std::size_t left = offered_max;
  for (const auto& name : names) {
    if (left-- == 0) return out + ", ...";
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

}  // namespace

std::set<std::string> ring_names() {
  std::set<std::string> out;
  std::error_code error;
  for (std::filesystem::directory_iterator each(folder, error), end; !error && each != end; each.increment(error)) {
    const auto name = each->path().filename().string();
    if (name.starts_with(prefix) && name.size() > prefix.size()) out.insert(name.substr(prefix.size()));
  }
  return out;
}

std::string ring_at(const std::string& path) {
  std::error_code error;
  const auto real = std::filesystem::weakly_canonical(path, error);
  const auto name = real.filename().string();
  if (error || real.parent_path() != folder || !name.starts_with(prefix)) return {};
  return name.substr(prefix.size());
}

std::string offer_rings(const std::string& wanted) {
  const auto names = ring_names();
  if (names.empty()) return "; there is no ring here at all";
  const auto near = ringdown::nearest_names(wanted, names);
  return near.empty() ? "; the rings here are: " + joined(names) : "; did you mean: " + joined(near);
}

ring::Segment open_ring(const std::string& name_or_path) {
  const bool is_path = name_or_path.find('/') != std::string::npos;
  const auto name = is_path ? ring_at(name_or_path) : name_or_path;
  if (name.empty() && is_path) return ring::Segment::open_copy(name_or_path);
  try {
    return ring::Segment::inspect(name);
  } catch (const ring::Error& e) {
    if (e.failure() != ring::Failure::no_ring) throw;
    throw ring::Error(e.failure(), e.what() + offer_rings(name));
  }
}

}  // namespace inspect
