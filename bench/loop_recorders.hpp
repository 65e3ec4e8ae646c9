// loop_recorders.hpp: the ways in which loop_bench's control loop records the 26 values of a cycle.
// A recorder lives for one round; its database stays for the next one, which goes on where this one ended.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "machine.hpp"
#include "naive_table.hpp"
#include "persister_process.hpp"
#include "ring/producer.hpp"

namespace bench {

inline constexpr std::size_t cycle_values = 26;

/// The names of the values, and values that change from cycle to cycle.
inline const std::array<std::string, cycle_values> names = [] {
  std::array<std::string, cycle_values> out;
  for (std::size_t k = 0; k < out.size(); ++k) out[k] = "wanctl_metric_" + std::to_string(k);
  return out;
}();
inline double value(std::size_t k, std::int64_t time_ns) noexcept {
  return static_cast<double>(k) + static_cast<double>(time_ns % 1'000'000) * 1e-3;
}

/// What became of the values of a round.
struct Fate {
  std::int64_t recorded = 0;  // taken from the loop
  std::int64_t refused = 0;   // and counted
  std::int64_t stored = 0;    // found in the database at the end
  std::int64_t left = 0;      // still in memory at the end
};

class Recorder {
 public:
  Recorder() = default;
  virtual ~Recorder() = default;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  virtual void cycle(std::int64_t time_ns) = 0;
  virtual Fate finish() = 0;
};

class RecordNothing : public Recorder {
 public:
  explicit RecordNothing(const std::string&) {}
  void cycle(std::int64_t) override {}
  Fate finish() override { return {}; }
};

/// Pushes into a ring that a ring-persister on the second CPU drains, folds and checkpoints.
class RecordInRing : public Recorder {
 public:
  explicit RecordInRing(const std::string& database)
      : ring_("loop-bench-" + std::to_string(::getpid())), producer_(ring_, options()) {
    if (!producer_.attached()) throw ring::Error(producer_.failure(), producer_.why());
    for (std::size_t k = 0; k < cycle_values; ++k) series_[k] = producer_.gauge(names[k], {{"wan", "plant"}});
    persister_.emplace(ring_, database);
    stored_before_ = persister_->stored();
  }
  ~RecordInRing() override {
    persister_.reset();
    ring::Segment::remove(ring_);
  }

  void cycle(std::int64_t time_ns) override {
    for (std::size_t k = 0; k < cycle_values; ++k)
      fate_.recorded += producer_.push(series_[k], value(k, time_ns), time_ns);
  }
  Fate finish() override {
    persister_->stop();
    fate_.refused = static_cast<std::int64_t>(producer_.lost());
    fate_.stored = persister_->stored() - stored_before_;
    return fate_;
  }

 private:
  /// Room for 0.4 s at 10 kHz; the persister comes every 0.1 s.
  static ring::Options options() {
    ring::Options out;
    out.geometry.lanes = 2;
    out.geometry.lane_records = 1 << 17;
    return out;
  }
  std::string ring_;
  ring::Producer producer_;
  std::array<ring::Series, cycle_values> series_{};
  std::optional<PersisterProcess> persister_;
  std::int64_t stored_before_ = 0;
  Fate fate_;
};

/// INSERTs in the loop, one transaction a cycle.
class RecordInLoop : public Recorder {
 public:
  explicit RecordInLoop(const std::string& database) : table_(database), rows_before_(table_.rows()) {}

  void cycle(std::int64_t time_ns) override {
    ringdown::Transaction transaction(table_.database());
    for (std::size_t k = 0; k < cycle_values; ++k) table_.insert(time_ns, names[k], value(k, time_ns));
    transaction.commit();
    fate_.recorded += cycle_values;
  }
  Fate finish() override {
    fate_.stored = table_.rows() - rows_before_;
    return fate_;
  }

 private:
  NaiveTable table_;
  std::int64_t rows_before_;
  Fate fate_;
};

/// A queue under a mutex, and a thread on the second CPU that stores what is in it, one transaction a turn.
class RecordInQueue : public Recorder {
 public:
  explicit RecordInQueue(const std::string& database)
      : table_(database), rows_before_(table_.rows()), thread_([this] { store_all(); }) {}
  ~RecordInQueue() override { stop(); }

  void cycle(std::int64_t time_ns) override {
    {
      const std::lock_guard guard(mutex_);
      for (std::size_t k = 0; k < cycle_values; ++k) queue_.push_back({time_ns, k, value(k, time_ns)});
    }
    filled_.notify_one();
    fate_.recorded += cycle_values;
  }
  Fate finish() override {
    stop();
    fate_.left = static_cast<std::int64_t>(queue_.size()) + unstored_;
    fate_.stored = table_.rows() - rows_before_;
    return fate_;
  }

 private:
  struct Sample {
    std::int64_t time_ns;
    std::size_t name;
    double value;
  };
  void store_all() {
    pin_to(1);
    for (std::deque<Sample> taken;; taken.clear()) {
      {
        std::unique_lock lock(mutex_);
        filled_.wait(lock, [&] { return stopped_ || !queue_.empty(); });
        if (stopped_) return;
        taken.swap(queue_);
      }
      store(taken);
    }
  }
  void store(const std::deque<Sample>& taken) {
    ringdown::Transaction transaction(table_.database());
    std::int64_t count = 0;
    for (const auto& sample : taken) {
      if (stopped_) break;
      table_.insert(sample.time_ns, names[sample.name], sample.value);
      ++count;
    }
    transaction.commit();
    unstored_ += static_cast<std::int64_t>(taken.size()) - count;
  }
  void stop() {
    {
      const std::lock_guard guard(mutex_);
      stopped_ = true;
    }
    filled_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  NaiveTable table_;
  std::int64_t rows_before_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Sample> queue_;
  std::atomic<bool> stopped_{false};
  std::int64_t unstored_ = 0;
  Fate fate_;
  std::thread thread_;
};

}  // namespace bench
