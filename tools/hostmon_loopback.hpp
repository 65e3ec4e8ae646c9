// hostmon_loopback.hpp: ring-hostmon's probe, the round trip of a byte through TCP on loopback.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "hostmon_cycle.hpp"
#include "hostmon_descriptor.hpp"

namespace hostmon {

/// One thread holds both ends of a connection: it sends, echoes and receives. What it takes to wake a thread
/// is in hostmon_lateness_us already, so this tells of the network stack alone; and no second thread can get
/// stuck.
class Loopback {
 public:
  Loopback(ring::Producer& producer, std::int64_t period_ns)
      : rtt_(producer.gauge("hostmon_loopback_rtt_us", {}, "us")),
        timeouts_(producer.counter("hostmon_loopback_timeouts_total", {}, "timeouts")),
        patience_ns_(std::min(period_ns / 4, patience_ns_max)) {
    maintain();
  }

  /// Waits for a quarter of the period at most, and 10 ms. No answer, or no connection, counts as a timeout.
  void sample(Cycle& cycle) {
    rtt_us_ = near_ ? ping() : std::nullopt;
    if (rtt_us_)
      cycle.add(rtt_, *rtt_us_);
    else
      ++timeout_count_;
    cycle.add(timeouts_, timeout_count_);
  }

  /// For outside the cycle: connects if there is no connection. Blocks at most 200 ms.
  void maintain() noexcept {
    if (near_) return;
    under_way_bytes_ = 0;
    if (!connect()) disconnect();
  }

  /// Of the last cycle.
  std::optional<double> rtt_us() const noexcept { return rtt_us_; }

 private:
  static constexpr std::int64_t patience_ns_max = 10'000'000;
  static constexpr int connect_ms_max = 100;

  std::optional<double> ping() noexcept {
    const auto start_ns = ring::clock_ns(CLOCK_MONOTONIC);
    if (::send(*near_, "!", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) ++under_way_bytes_;
    for (std::int64_t spent_ns = 0; near_ && spent_ns < patience_ns_;) {
      pollfd ends[] = {{*near_, POLLIN, 0}, {*far_, POLLIN, 0}};
      const timespec left{0, patience_ns_ - spent_ns};
      const bool ready = ::ppoll(ends, 2, &left, nullptr) > 0;
      if (ready && ends[1].revents) echo();
      const bool answered = ready && ends[0].revents && take_answers();
      spent_ns = ring::clock_ns(CLOCK_MONOTONIC) - start_ns;
      if (answered) return static_cast<double>(spent_ns) / 1e3;
    }
    return {};
  }
  void echo() noexcept {
    char bytes[64];
    const auto size = ::recv(*far_, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size <= 0 ||
        ::send(*far_, bytes, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL) != size)
      disconnect();
  }
  /// @return whether nothing is under way any more: then the last byte was this ping's, else an older one's
  bool take_answers() noexcept {
    char bytes[64];
    const auto size = near_ ? ::recv(*near_, bytes, sizeof bytes, MSG_DONTWAIT) : 0;
    if (size <= 0 || size > under_way_bytes_) {
      disconnect();
      return false;
    }
    under_way_bytes_ -= size;
    return under_way_bytes_ == 0;
  }

  void disconnect() noexcept {
    near_ = Descriptor{};
    far_ = Descriptor{};
  }
  bool connect() noexcept {
    sockaddr_in address{}, own{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    const Descriptor listener = tcp_socket();
    near_ = tcp_socket();
    const timeval patience{0, connect_ms_max * 1000};
    ::setsockopt(*near_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);  // holds for connect()
    if (::bind(*listener, generic, size) != 0 || ::listen(*listener, 1) != 0 ||
        ::getsockname(*listener, generic, &size) != 0 || ::connect(*near_, generic, size) != 0)
      return false;
    pollfd waiting{*listener, POLLIN, 0};
    if (::poll(&waiting, 1, connect_ms_max) <= 0) return false;
    far_ = Descriptor(::accept4(*listener, generic, &size, SOCK_CLOEXEC));
    return far_ && ::getsockname(*near_, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
           own.sin_port == address.sin_port;  // else somebody else was faster to connect
  }
  static Descriptor tcp_socket() noexcept {
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(*socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
    return socket;
  }

  ring::Series rtt_, timeouts_;
  std::int64_t patience_ns_;
  Descriptor near_, far_;
  ssize_t under_way_bytes_ = 0;
  std::uint64_t timeout_count_ = 0;
  std::optional<double> rtt_us_;
};

}  // namespace hostmon
