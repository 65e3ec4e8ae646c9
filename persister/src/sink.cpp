#include "sink.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ringdown {
namespace {

constexpr std::chrono::seconds waiting_interval{10};  // from one look at what waits in a table to the next
constexpr std::size_t ended_max = 1000;            // times that producers have left, not told yet
constexpr int reconnects_max = 3;                  // in a row that are believed to mean something

/// Of samples, not of the request: Thanos says 409, others 422, where Prometheus says 400. 413 is one that is too large.
bool is_refusal(long status) noexcept { return status == 400 || status == 409 || status == 413 || status == 422; }

std::string words(const Sender::Answer& answer) {
  if (answer.status == 0) return answer.text;
  return "HTTP " + std::to_string(answer.status) + (answer.text.empty() ? "" : ": " + answer.text);
}

}  // namespace

Sink::Sink(Database& database, const RemoteWriteSettings& settings, SinkRow row, Post post, std::uint64_t seed)
    : settings_(settings),
      source_(make_source(database, settings)),
      post_(std::move(post)),
      row_(std::move(row)),
      random_(seed) {
  row_.cursor.accepted = row_.cursor.settled;
  row_.state = "sending";
  row_.trouble.clear();
}

Sink::Clock::time_point Sink::step(Clock::time_point now, std::int64_t wall_ns) {
  is_idle_ = false;
  if (row_.state == "stopped") return Clock::time_point::max();
  if (now < std::max(due_, paced_)) return std::max(due_, paced_);
  if (skipped_ > row_.cursor.accepted) {
    forget();
    row_.cursor.accepted = skipped_;
  }
  row_.cursor.settled = std::max(row_.cursor.settled, skipped_);
  if (!is_loaded_ && !load(now, wall_ns)) {
    is_idle_ = true;
    return now + idle;
  }
  if (!todo_.empty()) send(now);
  if (is_loaded_ && todo_.empty()) finish_portion(now);
  return row_.state == "stopped" ? Clock::time_point::max() : std::max({now, due_, paced_});
}

/// @return whether there is a portion to send
bool Sink::load(Clock::time_point now, std::int64_t wall_ns) {
  todo_.clear();
  has_part_ = false;
  what_ = What::in_order;
  if (!source_->next(row_.cursor.accepted, wall_ns, portion_) && !load_waiting(now, wall_ns) && !load_ended() && !load_probe(now))
    return false;
  is_loaded_ = true;
  // The last one first: it is taken from the end. No request is much smaller than the others.
  const auto samples = portion_.samples.size();
  const auto most = static_cast<std::size_t>(settings_.batch_samples);
  const auto parts = (samples + most - 1) / most;
  for (auto part = parts; part-- > 0;) todo_.push_back({samples * part / parts, samples * (part + 1) / parts});
  return true;
}

/// What waits in a table, one portion until it is settled.
bool Sink::load_waiting(Clock::time_point now, std::int64_t wall_ns) {
  if (now < waiting_due_ || !rows_sent_.empty()) return false;
  waiting_due_ = now + waiting_interval;
  if (!source_->next_waiting(wall_ns, portion_)) return false;
  rows_sent_ = std::move(portion_.rows);
  rows_at_ = now;
  what_ = What::waiting;
  return true;
}

void Sink::end_series(Ended ended) {
  if (ended_.size() >= ended_max) ended_.pop_front();
  ended_.push_back(std::move(ended));
}

bool Sink::load_ended() {
  if (ended_.empty() || ended_.front().position > row_.cursor.accepted) return false;
  source_->end(ended_.front(), portion_);
  what_ = What::ended;
  return true;
}

/// An empty request, when nothing else would show that the receiver is still the one that has accepted the last ones.
bool Sink::load_probe(Clock::time_point now) {
  if ((unsettled_.empty() && rows_sent_.empty()) || answered_at_ + settings_.rewind > now) return false;
  portion_ = {};
  todo_.push_back({0, 0});
  what_ = What::probe;
  return true;
}

void Sink::encode(Range range) {
  request_.clear();
  const auto& samples = portion_.samples;
  for (auto from = range.from; from < range.to;) {
    const auto series = samples[from].series;
    auto to = from;
    while (to < range.to && samples[to].series == series) ++to;
    append_series(request_, source_->sent(series).labels, std::span(samples).subspan(from, to - from));
    from = to;
  }
  pack_request(request_, body_);
}

void Sink::send(Clock::time_point now) {
  const auto range = todo_.back();
  encode(range);
  take_answer(range, post_(body_), now);
  if (settings_.samples_per_second > 0) {
    const std::chrono::duration<double> takes(static_cast<double>(range.to - range.from) /
                                              static_cast<double>(settings_.samples_per_second));
    paced_ = std::max(paced_, now) + std::chrono::duration_cast<Clock::duration>(takes);
  }
}

void Sink::take_answer(Range range, const Sender::Answer& answer, Clock::time_point now) {
  const auto status = answer.status;
  // Of a receiver, or a proxy, that ends every connection without a word, this says nothing.
  reconnects_ = answer.reconnected ? reconnects_ + 1 : 0;
  if (answer.reconnected && reconnects_ <= reconnects_max && is_at_risk()) return rewind();
  const bool is_empty = range.from == range.to;
  if (status / 100 == 2 || (is_refusal(status) && is_empty)) return accept(range, now);
  if (is_refusal(status) && !is_empty) return refuse(range, words(answer));
  if (status == 0 || status == 408 || status == 429 || status / 100 == 5) return fail(answer, now);
  row_.state = "stopped";
  row_.trouble = words(answer) + "; mend it, then reload ring-persister";
}

void Sink::accept(Range range, Clock::time_point now) {
  todo_.pop_back();
  has_part_ = true;
  answered_at_ = now;
  end_trouble();
  row_.counts.samples += static_cast<std::int64_t>(range.to - range.from);
  row_.counts.bytes += static_cast<std::int64_t>(body_.size());
  ++row_.counts.requests;
  settle(now);
}

/// A receiver takes a request as a whole or not at all, so the good samples of one are found by sending parts of it.
void Sink::refuse(Range range, const std::string& why) {
  todo_.pop_back();
  end_trouble();
  if (range.to - range.from > 1) {
    const auto middle = range.from + (range.to - range.from) / 2;
    todo_.push_back({middle, range.to});
    todo_.push_back({range.from, middle});
    return;
  }
  const auto& sample = portion_.samples[range.from];
  if (what_ == What::ended) return;
  const auto& [series, metric, labels] = source_->sent(sample.series);
  aside_.push_back({series, metric, sample.time_ms, sample.value, false, why});
}

/// It has answered.
void Sink::end_trouble() {
  failures_ = 0;
  row_.state = "sending";
  row_.trouble.clear();
}

void Sink::fail(const Sender::Answer& answer, Clock::time_point now) {
  ++row_.counts.failures;
  ++failures_;
  row_.state = "waiting";
  row_.trouble = words(answer);
  wait(now, answer.retry_after);
  if (answer.status == 429) return;
  if (answer.status == 0 || failures_ > 1) rewind();
}

/// Whether the receiver has accepted something that it may have forgotten.
bool Sink::is_at_risk() const noexcept { return !unsettled_.empty() || !rows_sent_.empty() || has_part_; }

/// What was accepted of late may be forgotten: it is sent again.
void Sink::rewind() {
  row_.counts.rewinds += is_at_risk();
  row_.cursor.accepted = row_.cursor.settled;
  forget();
}

/// What is under way, and what is to be settled.
void Sink::forget() {
  unsettled_.clear();
  rows_sent_.clear();
  is_loaded_ = has_part_ = false;
  todo_.clear();
}

/// Twice as long each time, and never as long as the others that the same receiver has sent away.
void Sink::wait(Clock::time_point now, std::chrono::seconds asked) {
  const auto doublings = std::min(failures_ - 1, 16);
  const auto most = std::min<std::chrono::milliseconds>(backoff_first * (1 << doublings), backoff_max);
  std::uniform_real_distribution<double> share(0.5, 1);
  const auto jittered = std::chrono::duration_cast<Clock::duration>(most * share(random_));
  due_ = now + std::max<Clock::duration>(jittered, std::min(asked, retry_after_max));
}

void Sink::finish_portion(Clock::time_point now) {
  is_loaded_ = false;
  if (what_ == What::waiting) rows_at_ = now;
  if (what_ == What::ended) ended_.pop_front();
  if (what_ != What::in_order) return;
  row_.cursor.accepted = portion_.position;
  row_.counts.folded += portion_.folded;
  aside_.insert(aside_.end(), std::make_move_iterator(portion_.held.begin()), std::make_move_iterator(portion_.held.end()));
  if (!portion_.samples.empty() && settings_.rewind.count() > 0)
    unsettled_.push_back({now, portion_.position});
  else if (!unsettled_.empty())  // nothing of it can be forgotten
    unsettled_.back().batch = portion_.position;
  else
    row_.cursor.settled = portion_.position;
}

/// An answer has come over the connection over which those before came.
void Sink::settle(Clock::time_point now) {
  while (!unsettled_.empty() && unsettled_.front().at + settings_.rewind <= now) {
    row_.cursor.settled = unsettled_.front().batch;
    unsettled_.pop_front();
  }
  if (rows_sent_.empty() || what_ == What::waiting || rows_at_ + settings_.rewind > now) return;
  released_.insert(released_.end(), rows_sent_.begin(), rows_sent_.end());
  rows_sent_.clear();
}

void Sink::take_news(SinkNews& out) {
  out.row = row_;
  out.aside.insert(out.aside.end(), std::make_move_iterator(aside_.begin()), std::make_move_iterator(aside_.end()));
  out.released.insert(out.released.end(), released_.begin(), released_.end());
  aside_.clear();
  released_.clear();
}

}  // namespace ringdown
