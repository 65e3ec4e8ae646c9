#include "sink_thread.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace ringdown {
namespace {

constexpr std::chrono::seconds trouble_interval{5};  // until it is tried again
constexpr std::chrono::hours wait_max{1};
constexpr std::size_t aside_waiting_max = 10'000;  // not taken by the writer yet: then nothing is sent

}  // namespace

SinkThread::SinkThread(const std::string& database, const RemoteWriteSettings& settings, const SinkRow& row,
                       std::int64_t (*wall_ns)())
    : database_(database), settings_(settings), wall_ns_(wall_ns) {
  news_.row = row;
  thread_ = std::thread([this] { run(); });
}

SinkThread::~SinkThread() {
  request_stop();
  thread_.join();
}

void SinkThread::request_stop() {
  const std::lock_guard lock(mutex_);
  stop_ = true;
  changed_.notify_one();
}

void SinkThread::wake() {
  const std::lock_guard lock(mutex_);
  is_woken_ = true;
  changed_.notify_one();
}

void SinkThread::skip_to(std::int64_t batch) {
  const std::lock_guard lock(mutex_);
  skipped_ = std::max(skipped_, batch);
}

void SinkThread::end_series(const Ended& ended) {
  const std::lock_guard lock(mutex_);
  ended_.push_back(ended);
  is_woken_ = true;
  changed_.notify_one();
}

void SinkThread::take_news(SinkNews& out) {
  const std::lock_guard lock(mutex_);
  const auto move = [](auto& from, auto& to) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
    from.clear();
  };
  out.row = news_.row;
  move(news_.aside, out.aside);
  move(news_.released, out.released);
  changed_.notify_one();
}

void SinkThread::run() {
  sigset_t all;
  sigfillset(&all);  // SIGPIPE of a TLS connection, too
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  constexpr int less_urgent = 10;
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), less_urgent);  // of this thread
  ::pthread_setname_np(::pthread_self(), "remote-write");
  while (!stop_) {
    std::string why;
    try {
      run_sink();
    } catch (const std::exception& e) {
      why = e.what();
    } catch (...) {
      why = "an error without a name";
    }
    std::unique_lock lock(mutex_);
    if (stop_) return;
    news_.row.state = "waiting";
    news_.row.trouble = why;
    changed_.wait_for(lock, trouble_interval, [&] { return stop_.load(); });
  }
}

/// From where the row says, until it is to stop or something fails that another one may be spared.
void SinkThread::run_sink() {
  Database database(database_, Database::Access::read_only);
  Sender sender(settings_, stop_);
  SinkRow row;
  {
    const std::lock_guard lock(mutex_);
    row = news_.row;
  }
  Sink sink(database, settings_, std::move(row), [&](const std::string& body) { return sender.post(body); },
            std::random_device{}());
  for (;;) {
    const auto due = sink.step(Sink::Clock::now(), wall_ns_());
    std::unique_lock lock(mutex_);
    if (stop_) return;  // a request that was ended by it is no failure
    sink.take_news(news_);
    const auto until = std::min(due, Sink::Clock::now() + wait_max);
    changed_.wait_until(lock, until, [&] { return stop_ || (is_woken_ && sink.is_idle()); });
    changed_.wait(lock, [&] { return stop_ || news_.aside.size() < aside_waiting_max; });
    is_woken_ = false;
    sink.skip_to(skipped_);
    for (auto& ended : ended_) sink.end_series(std::move(ended));
    ended_.clear();
  }
}

}  // namespace ringdown
