#include "loop.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>

#include <cmath>

namespace ringdown {
namespace {

constexpr std::chrono::milliseconds backoff_first{100};
constexpr std::chrono::milliseconds backoff_max{5000};
constexpr std::chrono::seconds follow_interval{1};
constexpr std::chrono::seconds status_interval{10}, status_behind{60};
constexpr double lane_pressure = 0.5;             // a lane this full is committed at once
constexpr double lane_round = 0.25;               // of a lane: what a round should find at most
constexpr std::chrono::milliseconds round_min{1};
constexpr std::chrono::microseconds slice_min{500};  // of maintenance, a round, however full the lanes are
constexpr int checkpoint_patience = 8;            // times checkpoint_pages, and it does not wait any more
constexpr std::int64_t clock_step_ns = 100'000'000;  // within a round: more than any slewing

}  // namespace

Loop::Loop(const Settings& settings)
    : settings_(settings),
      store_(settings.database, settings.store),
      catalog_(store_.series(), store_.last_producer(), settings.series_max),
      maintenance_(store_.database(), settings.store.rules, settings.maintenance_share_max),
      sinks_(store_.database(), settings.remote_write, !settings.until_idle, settings.store.wall_ns),
      last_drain_(Clock::now()),
      last_commit_(last_drain_),
      own_due_(last_drain_ + settings.own_metrics) {
  if (!store_.moved_aside().empty())
    spdlog::error("the database {} was damaged and is now {}; a new one is started", settings.database,
                  store_.moved_aside());
  maintenance_.hold(sinks_.hold());
  for (const auto& ring : settings.rings) open_ring(ring);
  batch_.samples.reserve(settings.commit_records + turn_records);
  if (settings.listen.empty()) return;
  try {
    exposition_ = std::make_unique<Exposition>(settings.listen);
    exposition_->publish(figures(last_drain_));
  } catch (const ring::Error& e) {  // recording goes on without
    spdlog::error("{}", e.what());
  }
}

void Loop::open_ring(const std::string& ring) {
  drains_.push_back(std::make_unique<Drain>(ring, settings_.geometry, store_, catalog_));
  const auto& segment = drains_.back()->consumer().segment();
  spdlog::info("drains ring {} ({} lanes of {} records, generation {}) into {}", ring, segment.geometry().lanes,
               segment.geometry().lane_records, segment.generation().hex(), settings_.database);
}

/// A ring that was deleted or replaced: its successor is drained as well, and the old one until nobody can write
/// to it any more.
void Loop::follow_rings(Clock::time_point now) {
  if (now < follow_due_) return;
  follow_due_ = now + follow_interval;
  std::erase_if(drains_, [&](auto& d) { return !d->is_current() && d->finish(batch_, settings_.commit_records); });
  for (const auto& ring : settings_.rings) {
    const auto is_it = [&](const auto& d) { return d->consumer().segment().ring() == ring && d->is_current(); };
    if (std::any_of(drains_.begin(), drains_.end(), is_it)) continue;
    try {
      open_ring(ring);
      spdlog::warn("ring {} was deleted or replaced; what is left in the old one is drained as well", ring);
      follow_trouble_.clear();
    } catch (const std::exception& e) {
      if (is_news(follow_trouble_, e.what())) spdlog::error("{}; tried again every second", e.what());
    }
  }
}

Loop::End Loop::run() {
  for (;;) {
    const auto now = Clock::now();
    const auto next = round(now);
    if (end_ != End::done) return end_;
    if (!next) break;
    const int signal = wait(*next);
    if (signal == SIGHUP) return End::reload;
    if (signal != 0) break;
  }
  tell_manager("STOPPING=1");
  stop();
  return End::done;
}

bool Loop::is_finishing() const {
  return std::any_of(drains_.begin(), drains_.end(), [](const auto& d) { return !d->is_current() && d->has_writers(); });
}

void Loop::drain_and_commit(Clock::time_point end) {
  while (Clock::now() < end) {
    const bool all_drained = drain();
    if (!commit(Clock::now()) || all_drained) break;
  }
}

void Loop::hand_over() {
  drain_and_commit(Clock::now() + stop_budget);  // a ring that the next Loop does not drain is left empty
  try {
    sinks_.stop();
    store_.stop();
  } catch (const SqliteError& e) {
    spdlog::error("{}", e.what());
  }
}

/// READY after the first drain, before any maintenance. Trouble with the database is waited out: the rings hold what comes.
void Loop::tell(Clock::time_point now) {
  watchdog_.progress(now);
  const bool first = told_ == Clock::time_point{};
  if (!first && now - told_ < status_interval) return;
  const auto s = std::chrono::duration<double>(now - std::exchange(told_, now)).count();
  const auto samples = committed_ - std::exchange(told_committed_, committed_);
  std::string text = first ? "READY=1\n" : "";
  text += "STATUS=drains " + std::to_string(drains_.size()) + (drains_.size() == 1 ? " ring" : " rings");
  if (!first) text += ", " + std::to_string(std::llround(static_cast<double>(samples) / s)) + " samples/s";
  const auto behind = std::chrono::duration_cast<std::chrono::seconds>(maintenance_.lateness(now));
  if (behind >= status_behind) text += ", maintenance " + std::to_string(behind.count()) + " s behind";
  if (!trouble_.empty()) text += ", no commits: " + trouble_;
  tell_manager(text);
}

std::optional<Loop::Clock::time_point> Loop::round(Clock::time_point now) {
  watch_clock();
  const auto began_ns = settings_.store.wall_ns();
  const bool all_drained = drain();
  if (all_drained) drained_ns_ = began_ns;
  const auto next = next_drain(now);
  commit_if_due(now, all_drained);
  if (end_ != End::done) return now;
  tell(now);
  run_sinks(now);
  const bool everything = settings_.until_idle && all_drained && batch_.empty();
  const bool more = maintain(now, all_drained ? next : now, everything);
  checkpoint_if_due(now, next);
  follow_rings(now);
  look_for_damage();
  tell_own(now);
  if (!all_drained && trouble_.empty()) return now;
  if (everything && !more && trouble_.empty()) return {};
  const bool in_a_hurry = settings_.until_idle && trouble_.empty();
  return in_a_hurry ? now : next;
}

bool Loop::drain() {
  bool all_drained = true;
  draining_.time([&] {
    for (auto& d : drains_) {
      if (batch_.samples.size() >= settings_.commit_records) return void(all_drained = false);
      all_drained &= d->drain(batch_, settings_.commit_records);
    }
  });
  return all_drained;
}

/// A round's time from now, or when a lane that fills as quickly as since the last drain will be a quarter full.
Loop::Clock::time_point Loop::next_drain(Clock::time_point now) {
  const auto since = now - std::exchange(last_drain_, now);
  double taken = 0;
  for (const auto& d : drains_) taken = std::max(taken, d->taken());
  if (taken == 0) return now + settings_.round;
  const auto quarter = std::chrono::duration_cast<Clock::duration>(since * (lane_round / taken));
  return now + std::clamp<Clock::duration>(quarter, std::min(round_min, settings_.round), settings_.round);
}

void Loop::commit_if_due(Clock::time_point now, bool all_drained) {
  bool due = batch_.samples.size() >= settings_.commit_records || now - last_commit_ >= settings_.commit_interval ||
             (settings_.until_idle && all_drained);
  for (const auto& d : drains_) {
    due |= d->fullness() >= lane_pressure;
    high_water_ = std::max(high_water_, d->fullness());
  }
  if (due && now >= retry_at_) commit(now);
}

bool Loop::commit(Clock::time_point now) {
  last_commit_ = now;
  try {
    batch_.cursors.clear();
    for (const auto& d : drains_) d->add_cursors(batch_);
    if (!batch_.empty()) {
      if (!store_.is_current()) {
        leave_database();
        return false;
      }
      committing_.time([&] { store_.commit(batch_); });
      for (auto& d : drains_) d->release();
      committed_ += batch_.samples.size();
      batch_.clear();
      sinks_.committed();
    }
  } catch (const SqliteError& e) {
    if (e.is_damage()) {
      give_up_damaged(e.what());
      return false;
    }
    backoff_ = std::clamp<Clock::duration>(backoff_ * 2, backoff_first, backoff_max);
    retry_at_ = now + backoff_;
    if (is_news(trouble_, e.what()))
      spdlog::error("{}; {} samples are kept and the commit is tried again, the rings hold what comes meanwhile",
                    e.what(), batch_.samples.size());
    return false;
  }
  committed_at_ = now;
  horizon_ns_ = std::max(horizon_ns_, drained_ns_);
  if (!trouble_.empty()) spdlog::info("the database {} takes commits again", settings_.database);
  trouble_.clear();
  backoff_ = {};
  retry_at_ = {};
  return true;
}

/// The WAL still has the last commits of the files that were here: they go where the rest of them is, and whatever
/// database has the name now must not get them.
void Loop::leave_database() {
  trouble_ = "database " + settings_.database + ": it or its -wal was deleted or replaced while it was open";
  if (!store_.database().checkpoint_truncate()) return;  // a reader; tried again with the next commit
  end_ = End::gone;
  spdlog::error("{}; goes on with what is there now. What only the old files have is counted as skipped", trouble_);
}

/// Slices until their share of the time before the next drain is used up, or a lane is half full; a short one at least.
/// The checkpoint of what they write belongs to that time.
/// @return whether there may be more to do now
bool Loop::maintain(Clock::time_point now, Clock::time_point next, bool everything) {
  const auto share = settings_.until_idle ? 1.0 : maintenance_.share(now);
  const auto until =
      std::min(now + std::chrono::duration_cast<Clock::duration>((next - now) * share), next - checkpoint_took_);
  for (;;) {
    const auto began = Clock::now();
    const Budget budget{std::min(began + settings_.slice, std::max(until, began + slice_min))};
    if (!maintain_slice(now, budget, everything)) return false;
    if (Clock::now() >= until || is_pressed()) return true;
  }
}

bool Loop::maintain_slice(Clock::time_point now, Budget budget, bool everything) {
  if (now < maintenance_retry_) return false;
  try {
    const bool more = maintenance_.run(everything ? Fold::everything : horizon_ns_, settings_.store.wall_ns(), now, budget);
    if (!more) maintenance_trouble_.clear();  // all jobs are through
    return more;
  } catch (const SqliteError& e) {
    if (e.is_damage())
      give_up_damaged(e.what());
    else if (is_news(maintenance_trouble_, e.what()) && trouble_.empty())
      spdlog::error("{}; maintenance is tried again", e.what());
    maintenance_retry_ = now + backoff_max;
  }
  return false;
}

bool Loop::is_pressed() const {
  return std::any_of(drains_.begin(), drains_.end(), [](const auto& d) { return d->is_pressed(); });
}

/// The wall clock goes on with the time since boot, but for what somebody sets it by.
void Loop::watch_clock() {
  const auto offset_ns = settings_.store.wall_ns() - ring::clock_ns(CLOCK_BOOTTIME);
  const auto step_ns = offset_ns - std::exchange(clock_offset_ns_, offset_ns).value_or(offset_ns);
  if (std::abs(step_ns) < clock_step_ns) return;
  spdlog::warn("the clock was set {:+.3f} s", static_cast<double>(step_ns) / 1e9);
  try {
    store_.note_clock_step(step_ns);
  } catch (const SqliteError& e) {
    spdlog::error("{}; the step is not recorded", e.what());
  }
}

/// How far the destinations are, is written apart from the batches: a commit waits for nothing but its own rows.
void Loop::run_sinks(Clock::time_point now) {
  if (now < sinks_retry_ || !trouble_.empty()) return;
  try {
    if (sinks_.run(now)) {
      end_series();
      maintenance_.hold(sinks_.hold());
    }
    sinks_trouble_.clear();
  } catch (const SqliteError& e) {
    if (e.is_damage())
      give_up_damaged(e.what());
    else if (is_news(sinks_trouble_, e.what()))
      spdlog::error("{}; the cursors of remote write are written later", e.what());
    sinks_retry_ = now + backoff_max;
  }
}

/// Tells the destinations of series whose last producer has left.
void Loop::end_series() {
  std::vector<std::uint32_t> written, left;
  for (auto& d : drains_) d->look_for_writers(written, left);
  if (left.empty()) return;
  std::sort(written.begin(), written.end());
  std::erase_if(left, [&](std::uint32_t series) { return std::binary_search(written.begin(), written.end(), series); });
  sinks_.end_series(left);
}

/// A checkpoint cannot be cut: it waits for a round that has time for it, but not for long.
void Loop::checkpoint_if_due(Clock::time_point now, Clock::time_point next) {
  try {
    if (trouble_.empty()) store_.sync_if_due(now);
    const auto pages = store_.database().wal_pages();
    const bool fits = Clock::now() + checkpoint_took_ <= next;
    if (pages >= settings_.checkpoint_pages * (fits ? 1 : checkpoint_patience))
      checkpoint(now);
  } catch (const SqliteError& e) {
    if (e.is_damage())
      give_up_damaged(e.what());
    else if (is_news(checkpoint_trouble_, e.what()) && trouble_.empty())
      spdlog::error("{}; tried again after the next commits", e.what());
  }
}

void Loop::checkpoint(Clock::time_point now) {
  const auto from = Clock::now();
  watch_wal(now, store_.database().checkpoint_passive());
  if (!checkpoint_trouble_.empty()) spdlog::info("the WAL of {} is taken into it again", settings_.database);
  checkpoint_trouble_.clear();
  const auto took = Clock::now() - from;
  checkpointing_.add(took);
  checkpoint_took_ = std::max(took, checkpoint_took_ * 7 / 8);
}

/// The WAL cannot be emptied while somebody reads what is behind its pages.
void Loop::watch_wal(Clock::time_point now, int left_pages) {
  constexpr std::uint64_t frame_bytes = 4096 + 24;
  if (left_pages == 0) {
    if (wal_told_) spdlog::info("the WAL of {} is emptied again", settings_.database);
    wal_stuck_since_.reset();
    wal_told_ = false;
    return;
  }
  if (!wal_stuck_since_) wal_stuck_since_ = now;
  const auto bytes = static_cast<std::uint64_t>(store_.database().wal_pages()) * frame_bytes;
  if (bytes <= settings_.wal_bytes_max || std::exchange(wal_told_, true)) return;
  std::string who;
  for (const auto pid : readers(settings_.database)) who += (who.empty() ? " pid " : ", ") + std::to_string(pid);
  spdlog::error("the WAL of {} is {} MB and grows: for {} s a reader has kept a transaction open:{}. It ends when that "
                "reader does", settings_.database, bytes >> 20,
                std::chrono::duration_cast<std::chrono::seconds>(now - *wal_stuck_since_).count(),
                who.empty() ? " (not found in /proc/locks)" : who);
}

/// After an unclean stop. Not before the first round: the ring comes first.
void Loop::look_for_damage() {
  const bool wanted = settings_.check_after_unclean && !settings_.until_idle && store_.was_unclean();
  if (!check_ && wanted) check_ = std::make_unique<Check>(settings_.database);
  if (!check_) return;
  if (const auto found = check_->result(); found && !found->empty()) give_up_damaged(*found);
}

void Loop::give_up_damaged(const std::string& what) {
  if (end_ == End::done) spdlog::error("database {} is damaged: {}", settings_.database, what);
  end_ = End::damaged;
}

void Loop::stop() {
  const auto end = Clock::now() + stop_budget;
  sinks_.request_stop();
  drain_and_commit(end);
  while (trouble_.empty() && Clock::now() < end && maintain_slice(Clock::now(), {Clock::now() + settings_.slice}, true)) {
  }
  try {
    sinks_.stop();
    store_.stop();
    store_.database().checkpoint_passive();
  } catch (const SqliteError& e) {
    spdlog::error("{}", e.what());
  }
  if (!trouble_.empty())
    spdlog::error("stops with {} samples not committed; they stay in the ring for the next start",
                  batch_.samples.size());
  spdlog::info("stops; {} samples stored in this run", committed_);
}

/// Sleeps until then. @return the signal that has ended it at once, or 0
int Loop::wait(Clock::time_point until) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : loop_signals) sigaddset(&signals, signal);
  const auto left = std::max(until - Clock::now(), Clock::duration::zero());
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
  const timespec timeout{ns / 1'000'000'000, ns % 1'000'000'000};
  return std::max(::sigtimedwait(&signals, nullptr, &timeout), 0);
}

}  // namespace ringdown
