// fuzz_database.cpp: opens, continues and reads a database whose pages somebody damages.
//
// Every input is a program of pokes of six bytes: page | offset (u16; the top bit: within the first 128
// bytes) | how (bit 7: only once the store is open) | value | another value. Whatever they do to the file:
//   1. no crash, no sanitizer's report, no exception but SqliteError and ring::Error;
//   2. a fold comes to its end, and what it folded moves its progress;
//   3. every sample that is read is one that was committed: damage to a batch is seen;
//   4. what a commit has stored can be read back, or is refused.
// What it cannot tell: a number changed inside a row that has no checksum, such as a tier's.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "catalog.hpp"
#include "query_read.hpp"
#include "query_window.hpp"
#include "redo.hpp"
#include "store.hpp"
#include "support.hpp"

namespace {

using namespace ringdown;
namespace fs = std::filesystem;

constexpr std::size_t page_bytes = 4096;
constexpr std::int64_t second_ns = 1'000'000'000;

void require(bool holds, const char* invariant) {
  if (holds) return;
  std::fprintf(stderr, "fuzz_database: broken: %s\n", invariant);
  std::abort();
}

/// A sample's value follows from the rest of it.
double value_of(std::uint32_t series, std::int64_t time_ns) {
  return static_cast<double>((static_cast<std::uint64_t>(time_ns) * 0x9e3779b97f4a7c15 + series) >> 12);
}

ring::Definition definition(std::uint32_t id) {
  return {id % 2 ? ring::Kind::gauge : ring::Kind::state,
          "series_" + std::to_string(id),
          id % 2 ? "ms" : "",
          {{"wan", "x"}},
          id % 2 ? std::vector<std::string>{} : std::vector<std::string>{"down", "up"}};
}

Batch batch_at(std::int64_t time_s, std::span<const std::uint32_t> series) {
  Batch batch;
  for (std::int64_t i = 0; i < 40; ++i) {
    const auto id = series[static_cast<std::size_t>(i) % series.size()];
    const auto time_ns = time_s * second_ns + i * 100'000'000;
    batch.samples.push_back({time_ns, value_of(id, time_ns), id});
  }
  batch.losses.push_back({1, 0, 1, ring::abi::Loss::lane_full, 3, 8, 8, time_s * second_ns});
  batch.cursors.push_back(
      {1, 0, static_cast<std::uint64_t>(time_s), 1, 40, 3, 0, "{\"0\":[3,3],\"controls\":[7,7]}"});
  return batch;
}

/// Runs a job to its end.
void run(const std::function<bool(Budget&)>& job) {
  constexpr int slices_max = 1000;
  int slices = 0;
  for (bool more = true; more;) {
    require(++slices < slices_max, "a job comes to its end");
    Budget budget{.steps = 100};
    more = job(budget);
  }
}
void fold(Database& database, const char* tier) {
  SeriesRules rules(database);
  Fold fold(database, rules, tier, 1);
  run([&](Budget& budget) { return fold.run(Fold::everything, budget); });
}
void make_tiers(Database& database) {
  SeriesRules rules(database);
  Fold fold(database, rules, "tier_1m", 60);
  Widen to_5m(database, rules, "tier_1m", "tier_5m"), to_1h(database, rules, "tier_5m", "tier_1h");
  Redo redo(database, rules, fold, to_5m, to_1h);
  run([&](Budget& budget) { return fold.run(Fold::everything, budget); });
  run([&](Budget& budget) { return redo.run(budget); });
  run([&](Budget& budget) { return to_5m.run(true, budget); });
  run([&](Budget& budget) { return to_1h.run(true, budget); });
}

std::vector<char> valid_database(const std::string& path) {
  {
    Store store(path);
    store.ring_id("plant", "ab", 1);
    constexpr std::array<std::uint32_t, 4> ids{1, 2, 3, 4};
    for (std::int64_t i = 0; i < 12; ++i) {
      auto batch = batch_at(100 + 7 * i, ids);
      if (i == 0) {
        for (const auto id : ids) batch.series.push_back({id, definition(id)});
        batch.producers.push_back({1, 1, 0, 1, {}});
      }
      store.commit(batch);
      if (i == 8) fold(store.database(), "tier_1s");
      if (i == 5) make_tiers(store.database());
    }
    require(store.database().checkpoint_truncate(), "a valid database can be made");
  }
  const auto text = support::read_file(path);
  return {text.begin(), text.end()};
}

struct Poke {
  explicit Poke(std::span<const std::uint8_t> bytes)
      : page(bytes[0]),
        offset(static_cast<std::size_t>(bytes[1] << 8 | bytes[2])),
        how(bytes[3] & 0x7f),
        while_open(bytes[3] & 0x80),
        a(bytes[4]),
        b(bytes[5]) {
    offset = offset & 0x8000 ? offset % 128 : offset % page_bytes;
  }
  void apply(std::vector<char>& image) const {
    const auto pages = image.size() / page_bytes;
    if (pages == 0) return;
    const auto word = static_cast<std::size_t>(a << 8 | b);
    auto* const at_page = image.data() + page % pages * page_bytes;
    auto* const at = at_page + offset;
    const auto left = page_bytes - offset;
    constexpr unsigned char edges[][8]{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
                                       {0x7f, 0xff, 0xff, 0xff, 0xff},
                                       {0x80},
                                       {},
                                       {0, 0, 0, 1}};
    switch (how % 8) {
      case 0:
        *at = static_cast<char>(a);
        break;
      case 1:
        *at = static_cast<char>(*at ^ 1 << a % 8);
        break;
      case 2:
        *at = static_cast<char>(*at + (b & 1 ? 1 : -1));
        break;
      case 3:
        std::memcpy(at, edges[a % std::size(edges)], std::min<std::size_t>(left, 1 + b % 8));
        break;
      case 4:
        std::memset(at, a, std::min<std::size_t>(left, 512));
        break;
      case 5:
        std::memmove(at_page, image.data() + a % pages * page_bytes, page_bytes);
        break;
      case 6:
        std::memmove(at, at_page + word % (page_bytes - 16), std::min<std::size_t>(left, 16));
        break;
      default:
        image.resize(std::max<std::size_t>(image.size() - word % image.size(), 1));
        break;
    }
  }

  std::size_t page, offset;
  std::uint8_t how;
  bool while_open;
  std::uint8_t a, b;
};

class Check : public Writer {
 public:
  void sample(const Series& series, std::int64_t time_ns, double value) override {
    require(value == value_of(series.id, time_ns), "every sample read is one that was committed");
  }
  void finish() override {}
};

class World {
 public:
  World() {
    spdlog::set_level(spdlog::level::off);
    std::cerr.setstate(std::ios::failbit);  // ring-query's complaints
    valid_ = valid_database(path_);
  }

  void run(std::span<const std::uint8_t> input) {
    for (const auto& file : fs::directory_iterator(folder_)) fs::remove(file);
    std::vector<Poke> pokes;
    for (; input.size() >= 6; input = input.subspan(6)) pokes.emplace_back(input);
    auto image = valid_;
    for (const auto& poke : pokes)
      if (!poke.while_open) poke.apply(image);
    write(image);
    guarded([&] { go_on(pokes); });
    for (const char* step : {"raw", "1s", "1m"}) guarded([&] { read(step); });
    guarded([&] { read_windows(); });
  }

 private:
  template <class What>
  static void guarded(What&& what) {
    try {
      what();
    } catch (const SqliteError&) {
    } catch (const ring::Error&) {
    }
  }
  void write(const std::vector<char>& image) const {
    const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT, 0600);
    if (::pwrite(fd, image.data(), image.size(), 0) < 0) std::abort();
    ::close(fd);
  }

  void go_on(const std::vector<Poke>& pokes) {
    Store store(path_);
    // Written by another description of the file: what the store's cache does not hold yet is damaged.
    if (std::any_of(pokes.begin(), pokes.end(), [](auto& p) { return p.while_open; })) {
      const auto text = support::read_file(path_);
      std::vector<char> image(text.begin(), text.end());
      for (const auto& poke : pokes)
        if (poke.while_open) poke.apply(image);
      write(image);
    }
    Catalog catalog(store.series(), store.last_producer());
    store.cursors(store.ring_id("plant", "ab", 1));
    Batch named;
    std::array<std::uint32_t, 2> ids{};
    for (std::uint32_t i = 0; i < ids.size(); ++i) ids[i] = catalog.series_id(definition(i + 4), named);
    auto batch = batch_at(500, ids);
    batch.series = named.series;
    batch.producers.push_back({catalog.new_producer_id(), 1, 0, 9, {}});
    store.commit(batch);
    require(has(store.database(), batch), "what was committed can be read back");
    fold(store.database(), "tier_1s");
    make_tiers(store.database());
    store.database().checkpoint_passive();
  }
  /// Whatever its id: in a damaged tree the newest row need not be the last.
  static bool has(Database& database, const Batch& batch) {
    std::vector<std::byte> blob;
    encode_batch(batch.samples, blob);
    Statement each(database, "SELECT blob FROM batches ORDER BY id DESC");
    while (each.step())
      if (std::ranges::equal(each.blob(0), blob)) return true;
    return false;
  }
  void read(const char* step) const {
    Database database(path_, Database::Access::read_only);
    const auto source = make_source(database, step);
    Query query;
    query.limit = 1'000'000;
    for (auto& row : read_series(database)) query.series.emplace_back(std::move(row));
    Check check;
    source->read(query, check);
  }

  void read_windows() const {
    Database database(path_, Database::Access::read_only);
    Query query;
    query.limit = 1'000;
    for (auto& row : read_series(database)) query.series.emplace_back(std::move(row));
    WindowOptions options{.step_ns = 600'000'000'000,
                          .functions = parse_functions("count,sum,rate,quantile(0.99),share(1)"),
                          .by = {}};
    Check check;
    write_windows(database, options, query, check);
  }

  fs::path folder_ = support::unique_folder();
  std::string path_ = folder_ / "m.db";
  std::vector<char> valid_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World& world = *[] {
    ::setenv("TMPDIR", "/dev/shm", 1);
    return new World;
  }();
  world.run({data, size});
  return 0;
}
