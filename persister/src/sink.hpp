// sink.hpp: sends one destination what is committed, in order, and decides what its answers mean. Has no thread, clock
// or connection of its own: SinkThread gives it these.
//
// What is accepted is not settled yet: a receiver that crashes forgets what it has not written to its disk. So the cursor
// has two places. `accepted` is where it is. `settled` follows once the receiver has answered over the same connection
// for `rewind` since, and is where it goes back to when there is no answer, a new connection, or a 5xx that the second try
// gets as well. Batches behind `settled` are kept. Where nothing else is to be sent, an empty request asks.
//
//   2xx           accepted
//   400, 409, 413, 422
//                 halved until the samples are alone that it does not take; these are set aside with its words
//   429           waits, for as long as it says
//   5xx           waits, tries the same once more, then goes back: one that is busy has not crashed
//   none in time  waits and goes back
//   any other     stops: somebody has to change something
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "remote_write_settings.hpp"
#include "sender.hpp"
#include "sink_rows.hpp"
#include "sink_source.hpp"

namespace ringdown {

/// What the writer of the database is to be told.
struct SinkNews {
  SinkRow row = {};                          // as it is now
  std::vector<AsideSample> aside = {};       // since the last time
  std::vector<std::int64_t> released = {};   // rows of what waited in a table, settled since the last time
};

class Sink {
 public:
  using Clock = std::chrono::steady_clock;
  using Post = std::function<Sender::Answer(const std::string& body)>;
  /// What came last is waited for at most so long: then what was held back is looked for.
  static constexpr std::chrono::seconds idle{1};
  static constexpr std::chrono::milliseconds backoff_first{500};
  static constexpr std::chrono::seconds backoff_max{60}, retry_after_max{3600};

  /// @param row  how far it was. @param seed  of the jitter
  Sink(Database& database, const RemoteWriteSettings& settings, SinkRow row, Post post, std::uint64_t seed);

  /// One request at most. @return when the next is due, or earlier once something was committed: see is_idle()
  Clock::time_point step(Clock::time_point now, std::int64_t wall_ns);
  /// Whether it waits for samples, not for a time.
  bool is_idle() const noexcept { return is_idle_; }
  /// Batches up to this one need not be there any more.
  void skip_to(std::int64_t batch) noexcept { skipped_ = std::max(skipped_, batch); }
  /// Once everything of them was accepted, a receiver is told that these series end. It is told once: one that forgets it
  /// finds out by itself, when no sample has come for its look-back (5 minutes).
  void end_series(Ended ended);
  /// Adds to what was not taken yet.
  void take_news(SinkNews& out);

 private:
  struct Range {
    std::size_t from, to;
  };
  bool load(Clock::time_point now, std::int64_t wall_ns);
  bool load_waiting(Clock::time_point now, std::int64_t wall_ns);
  bool load_ended();
  bool load_probe(Clock::time_point now);
  void send(Clock::time_point now);
  void encode(Range range);
  void take_answer(Range range, const Sender::Answer& answer, Clock::time_point now);
  void accept(Range range, Clock::time_point now);
  void refuse(Range range, const std::string& why);
  void end_trouble();
  void fail(const Sender::Answer& answer, Clock::time_point now);
  bool is_at_risk() const noexcept;
  void rewind();
  void forget();
  void finish_portion(Clock::time_point now);
  void settle(Clock::time_point now);
  void wait(Clock::time_point now, std::chrono::seconds asked);

  RemoteWriteSettings settings_;
  std::unique_ptr<SinkSource> source_;
  Post post_;
  SinkRow row_;
  std::int64_t skipped_ = 0;

  Portion portion_;
  enum class What { in_order, waiting, ended, probe } what_ = What::in_order;  // is in it
  bool is_loaded_ = false, has_part_ = false;  // it is to be sent; some of it was accepted
  std::vector<Range> todo_;                    // of its samples, the next one last
  std::string request_, body_;

  struct Accepted {
    Clock::time_point at;
    std::int64_t batch;
  };
  std::deque<Accepted> unsettled_;
  std::vector<std::int64_t> rows_sent_;        // of a table, under way or accepted at rows_at_
  std::deque<Ended> ended_;
  Clock::time_point rows_at_{}, waiting_due_{}, answered_at_{};

  bool is_idle_ = false;
  Clock::time_point due_{}, paced_{};
  int failures_ = 0, reconnects_ = 0;       // in a row
  std::mt19937_64 random_;
  std::vector<AsideSample> aside_;
  std::vector<std::int64_t> released_;
};

}  // namespace ringdown
