// The bytes of ABI.md, written down a second time: a moved offset, size or constant needs a new version, and
// then a new line here.
#include <catch2/catch.hpp>
#include <fstream>

#include "ring/consumer.hpp"
#include "ring/producer.hpp"
#include "support.hpp"

using namespace ring;

TEST_CASE("ABI 1.0: offsets and sizes and constants stand where ABI.md says", "[abi]") {
  CHECK(abi::version_major == 1);
  CHECK(abi::version_minor == 0);
  CHECK(std::string(reinterpret_cast<const char*>(&abi::magic), 8) == "RINGDOWN");
  using Header = abi::SegmentHeader;
  CHECK(offsetof(Header, magic) == 0);
  CHECK(offsetof(Header, version_major) == 8);
  CHECK(offsetof(Header, version_minor) == 12);
  CHECK(offsetof(Header, generation) == 16);
  CHECK(offsetof(Header, lanes) == 32);
  CHECK(offsetof(Header, lane_records) == 36);
  CHECK(offsetof(Header, arena_bytes) == 40);
  CHECK(offsetof(Header, mode) == 44);
  CHECK(offsetof(Header, lane_bytes) == 48);
  CHECK(offsetof(Header, segment_bytes) == 56);
  CHECK(offsetof(Header, created_ns) == 64);
  CHECK(offsetof(Header, record_bytes) == 72);
  CHECK(offsetof(Header, checksum) == 76);
  CHECK(offsetof(Header, reader) == 128);
  using Id = abi::Identity;
  CHECK(sizeof(Id) == 64);
  CHECK(offsetof(Id, version) == 0);
  CHECK(offsetof(Id, pid) == 8);
  CHECK(offsetof(Id, pid_namespace) == 16);
  CHECK(offsetof(Id, process_start_ns) == 24);
  CHECK(offsetof(Id, since_ns) == 32);
  CHECK(offsetof(Id, name) == 40);
  using Lane = abi::LaneHeader;
  CHECK(offsetof(Lane, losses) == 0);
  CHECK(offsetof(Lane, tail) == 128);
  CHECK(offsetof(Lane, owner) == 256);
  CHECK(offsetof(Lane, claims) == 320);
  CHECK(offsetof(Lane, arena_epoch) == 328);
  CHECK(offsetof(Lane, defs_used) == 336);
  CHECK(offsetof(Lane, controls) == 344);
  using Rec = abi::Record;
  CHECK(sizeof(Rec) == 32);
  CHECK(offsetof(Rec, time_ns) == 0);
  CHECK(offsetof(Rec, value) == 8);
  CHECK(offsetof(Rec, series) == 16);
  CHECK(offsetof(Rec, seq) == 24);
  using Def = abi::DefinitionHeader;
  CHECK(sizeof(Def) == 16);
  CHECK(offsetof(Def, checksum) == 4);
  CHECK(offsetof(Def, kind) == 8);
  CHECK(offsetof(Def, labels) == 10);
  CHECK(offsetof(Def, states) == 12);
  CHECK(abi::control_first == 0xffff0000u);
  CHECK(abi::epoch_records == 7);
  CHECK(abi::epoch_fresh_arena == 0x8000'0000'0000'0000u);
  CHECK(abi::lost_reason_shift == 28);
  CHECK(abi::lock_creation == std::int64_t{1} << 62);
  CHECK(abi::lock_reader == abi::lock_creation + 1);
  CHECK(static_cast<int>(abi::Loss::lane_full) == 0);
  CHECK(static_cast<int>(abi::Loss::non_finite) == 1);
  CHECK(static_cast<int>(abi::Loss::unknown_series) == 2);
  CHECK(static_cast<int>(abi::Loss::reentrant) == 3);
  CHECK(static_cast<int>(abi::Loss::detached) == 4);
  CHECK(static_cast<int>(Kind::gauge) == 1);
  CHECK(static_cast<int>(Kind::counter) == 2);
  CHECK(static_cast<int>(Kind::state) == 3);
}

TEST_CASE("ABI 1.0: a definition and a record have exactly these bytes in the object", "[abi]") {
  const auto ring = support::unique_ring();
  Producer p(ring, {.geometry = {.lanes = 1, .lane_records = 64, .arena_bytes = 4096}});
  const auto link = p.state("link", {{"wan", "x"}}, {"UP", "DOWN"});
  REQUIRE(p.push(link, 1, 0x0102030405060708));
  const auto object = support::read_file("/dev/shm/ringdown-" + ring);
  REQUIRE(object.size() == 4096 + 4096 + 4096 + 64 * 32);
  CHECK(object.substr(0, 12) == std::string("RINGDOWN\x01\0\0\0", 12));
  const std::string strings("\x04\0link\0\0\x03\0wan\x01\0x\x02\0UP\x04\0DOWN\0\0\0\0", 30);
  CHECK(object.substr(8192 + 8, 8) == std::string("\x03\0\x01\0\x02\0\0\0", 8));
  CHECK(object.substr(8192 + 16, 30) == strings);
  const auto* slot = object.data() + 12288 + 8 * 32;  // record 8, behind the epoch
  CHECK(std::string(slot, 8) == "\x08\x07\x06\x05\x04\x03\x02\x01");
  CHECK(std::string(slot + 8, 8) == std::string("\0\0\0\0\0\0\xf0\x3f", 8));
  CHECK(std::string(slot + 16, 16) == std::string("\0\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0", 16));
  CHECK(object.substr(4096 + 344, 8) == std::string("\x07\0\0\x07\0\0\0\0", 8));  // controls
}
