#include "inspect_check.hpp"

#include <fmt/format.h>

#include <bit>
#include <iostream>
#include <nlohmann/json.hpp>

#include "inspect_check_lane.hpp"
#include "inspect_open.hpp"

namespace inspect {
namespace {

namespace abi = ring::abi;

std::uint64_t segment_bytes(const ring::Geometry& g) { return g.segment_bytes(); }

class HeaderCheck {
 public:
  HeaderCheck(CheckReport& report, const abi::SegmentHeader& header) : report_(report), h_(header) {}

  /// @return the geometry, when lanes can be looked for by it
  bool run(std::uint64_t object_bytes, ring::Geometry& geometry) {
    if (h_.magic != abi::magic)
      fault(offsetof(abi::SegmentHeader, magic), "magic", fmt::format("{:#018x}", h_.magic),
            h_.magic ? fmt::format("{:#018x}, the bytes RINGDOWN", abi::magic)
                     : "the bytes RINGDOWN; nobody has finished creating it");
    expect(offsetof(abi::SegmentHeader, version_major), "version_major", h_.version_major, abi::version_major);
    if (h_.version_major != abi::version_major) return false;
    const auto sum =
        abi::fnv1a(reinterpret_cast<const std::byte*>(&h_) + 8, offsetof(abi::SegmentHeader, checksum) - 8);
    expect(offsetof(abi::SegmentHeader, checksum), "checksum", h_.checksum, sum);
    geometry = {h_.lanes, h_.lane_records, h_.arena_bytes, abi::Mode{h_.mode}};
    if (!limits_hold()) return false;
    expect(offsetof(abi::SegmentHeader, record_bytes), "record_bytes", h_.record_bytes, sizeof(abi::Record));
    expect(offsetof(abi::SegmentHeader, lane_bytes), "lane_bytes", h_.lane_bytes, geometry.lane_bytes());
    expect(offsetof(abi::SegmentHeader, segment_bytes), "segment_bytes", h_.segment_bytes, segment_bytes(geometry));
    if (object_bytes != segment_bytes(geometry))
      fault(std::min(object_bytes, segment_bytes(geometry)), "size of the object",
            fmt::format("{} bytes", object_bytes), fmt::format("{} bytes", segment_bytes(geometry)));
    return true;
  }

 private:
  void fault(std::uint64_t offset, const char* field, std::string found, std::string expected) {
    report_.faults.push_back({offset, fmt::format("header, {}", field), std::move(found), std::move(expected)});
  }
  void expect(std::uint64_t offset, const char* field, std::uint64_t found, std::uint64_t expected) {
    if (found != expected) fault(offset, field, std::to_string(found), std::to_string(expected));
  }
  bool limits_hold() {
    const auto before = report_.faults.size();
    const auto within = [&](bool holds, std::uint64_t offset, const char* field, std::uint64_t found,
                            const char* expected) {
      if (!holds) fault(offset, field, std::to_string(found), expected);
    };
    within(h_.lanes >= 1 && h_.lanes <= 1024, offsetof(abi::SegmentHeader, lanes), "lanes", h_.lanes, "1 to 1024");
    within(h_.lane_records >= 64 && h_.lane_records <= 1u << 24 && std::has_single_bit(h_.lane_records),
           offsetof(abi::SegmentHeader, lane_records), "lane_records", h_.lane_records,
           "a power of two, 64 to 16777216");
    within(h_.arena_bytes >= abi::page_bytes && h_.arena_bytes <= 64u << 20 && h_.arena_bytes % abi::page_bytes == 0,
           offsetof(abi::SegmentHeader, arena_bytes), "arena_bytes", h_.arena_bytes,
           "a multiple of 4096, up to 67108864");
    within(h_.mode <= 1, offsetof(abi::SegmentHeader, mode), "mode", h_.mode, "0 drop-newest or 1 overwrite-oldest");
    return report_.faults.size() == before;
  }

  CheckReport& report_;
  const abi::SegmentHeader& h_;
};

/// The header's words up to the checksum, each loaded once.
abi::SegmentHeader copy_header(const std::byte* object) {
  abi::SegmentHeader out{};
  auto* const to = reinterpret_cast<std::byte*>(&out);
  for (std::size_t at = 0; at < offsetof(abi::SegmentHeader, pad); at += 8) {
    const auto word =
        ring::words::load(*reinterpret_cast<const std::uint64_t*>(object + at), std::memory_order_acquire);
    std::memcpy(to + at, &word, sizeof word);
  }
  return out;
}

}  // namespace

Image::Image(const std::string& name_or_path) {
  namespace bip = boost::interprocess;
  const bool is_path = name_or_path.find('/') != std::string::npos;
  ring_ = is_path ? ring_at(name_or_path) : name_or_path;
  is_live_ = !ring_.empty() || !is_path;
  path_ = is_live_ ? "/dev/shm/" + ring::object_name(ring_) : name_or_path;
  if (!is_live_) ring_ = name_or_path;
  struct stat status{};
  const auto refuse = [&](const std::string& why) {
    return ring::Error(ring::Failure::no_ring, "open " + path_ + ": " + why + (is_live_ ? offer_rings(ring_) : ""));
  };
  if (::stat(path_.c_str(), &status) != 0) throw refuse(std::strerror(errno));
  if (!S_ISREG(status.st_mode)) throw refuse("it is no regular file");
  if (status.st_size == 0) throw refuse("it is empty");
  try {
    region_ = {bip::file_mapping(path_.c_str(), bip::read_only), is_live_ ? bip::read_only : bip::read_private, 0,
               static_cast<std::size_t>(status.st_size)};
  } catch (const bip::interprocess_exception& e) {
    throw refuse(std::strerror(e.get_native_error()));
  }
}

CheckReport check(std::span<std::byte> object, bool is_live) {
  CheckReport report;
  if (object.size() < abi::page_bytes) {
    report.faults.push_back({object.size(), "header, size of the object", fmt::format("{} bytes", object.size()),
                             fmt::format("at least {}", abi::page_bytes)});
    return report;
  }
  const auto header = copy_header(object.data());
  ring::Geometry geometry;
  if (!HeaderCheck(report, header).run(object.size(), geometry)) return report;
  for (std::uint32_t i = 0; i < geometry.lanes; ++i) {
    const auto offset = abi::page_bytes + i * geometry.lane_bytes();
    if (offset + geometry.lane_bytes() > object.size()) break;  // told as the object's size
    ++report.lanes;
    check_lane(report, ring::lane_view(object.data() + offset, geometry), i, offset, is_live);
  }
  return report;
}

void print(const CheckReport& report, const std::string& ring) {
  for (const auto& f : report.faults)
    fmt::print("offset {}: {}: found {}, expected {}\n", f.offset, f.where, f.found, f.expected);
  fmt::print("{}: {}; {} lanes, {} of them used, {} definitions and {} records checked\n", ring,
             report.count() == 0   ? "whole"
             : report.count() == 1 ? "1 fault"
                                   : fmt::format("{} faults", report.count()),
             report.lanes, report.used, report.definitions, report.records);
}

void print_json(const CheckReport& report, const std::string& ring) {
  using nlohmann::json;
  json out{{"ring", ring}, {"lanes", report.lanes}, {"used", report.used}, {"definitions", report.definitions},
           {"records", report.records}, {"fault_count", report.count()}};
  out["faults"] = json::array();
  for (const auto& f : report.faults)
    out["faults"].push_back({{"offset", f.offset}, {"where", f.where}, {"found", f.found}, {"expected", f.expected}});
  std::cout << out.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
}

}  // namespace inspect
