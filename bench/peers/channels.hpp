// channels.hpp: the rivals that carry records from one process to another.
// None of them ever waits: a record that has no room is refused.
#pragma once

#include <fcntl.h>
#include <mqueue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ring/error.hpp"
#include "rival.hpp"

namespace peers {

/// boost::interprocess::message_queue: a mutex, condition variables and a copy in shared memory.
class BoostMessageQueue {
 public:
  static constexpr const char* name = "boost_message_queue";
  static constexpr Traits traits{.producers = 2, .processes = true, .pushes = 200'000};

  explicit BoostMessageQueue(std::size_t) {
    const auto object = "ring-peers-" + std::to_string(::getpid());
    boost::interprocess::message_queue::remove(object.c_str());
    queue_ = std::make_unique<Queue>(boost::interprocess::create_only, object.c_str(), queue_records,
                                     sizeof(Record));
    boost::interprocess::message_queue::remove(object.c_str());
  }
  bool push(const Record& record) noexcept { return queue_->try_send(&record, sizeof record, 0); }
  auto writer(std::size_t) { return RecordWriter(*this); }
  std::uint64_t drain(Seen& seen) {
    Record record;
    std::uint64_t taken = 0;
    Queue::size_type size = 0;
    unsigned priority = 0;
    for (; taken < turn_records && queue_->try_receive(&record, sizeof record, size, priority); ++taken)
      seen.take(record);
    return taken;
  }
  void reader_lost() noexcept {}

 private:
  using Queue = boost::interprocess::message_queue;
  std::unique_ptr<Queue> queue_;
};

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }
  void close() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

/// A pipe of 1 MiB, one write a record, read in bulk.
class Pipe {
 public:
  static constexpr const char* name = "pipe";
  static constexpr Traits traits{.producers = 2, .processes = true, .pushes = 100'000};

  explicit Pipe(std::size_t) {
    int ends[2];
    if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) throw ring::system_error("make a pipe", errno);
    out_ = Descriptor(ends[0]);
    in_ = Descriptor(ends[1]);
    ::fcntl(in_.get(), F_SETPIPE_SZ, 1 << 20);
    std::signal(SIGPIPE, SIG_IGN);
  }
  bool push(const Record& record) noexcept {
    return ::write(in_.get(), &record, sizeof record) == static_cast<ssize_t>(sizeof record);
  }
  auto writer(std::size_t) { return RecordWriter(*this); }
  std::uint64_t drain(Seen& seen) {
    const auto bytes = std::max<ssize_t>(0, ::read(out_.get(), turn_.data(), turn_.size() * sizeof(Record)));
    const auto count = static_cast<std::size_t>(bytes) / sizeof(Record);
    for (std::size_t i = 0; i < count; ++i) seen.take(turn_[i]);
    return count;
  }
  void reader_lost() noexcept { out_.close(); }

 private:
  Descriptor out_, in_;
  std::vector<Record> turn_ = std::vector<Record>(turn_records);
};

/// A connected pair of Unix datagram sockets, one send a record, read in bulk.
class DatagramSocket {
 public:
  static constexpr const char* name = "unix_datagram";
  static constexpr Traits traits{.producers = 2, .processes = true, .pushes = 100'000};

  explicit DatagramSocket(std::size_t) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
      throw ring::system_error("make a pair of sockets", errno);
    out_ = Descriptor(ends[0]);
    in_ = Descriptor(ends[1]);
    const int bytes = 4 << 20;
    ::setsockopt(in_.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    for (std::size_t i = 0; i < batch; ++i) {
      parts_[i] = {&turn_[i], sizeof(Record)};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  DatagramSocket(const DatagramSocket&) = delete;
  DatagramSocket& operator=(const DatagramSocket&) = delete;

  bool push(const Record& record) noexcept {
    return ::send(in_.get(), &record, sizeof record, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof record);
  }
  auto writer(std::size_t) { return RecordWriter(*this); }
  std::uint64_t drain(Seen& seen) {
    const auto count = std::max(0, ::recvmmsg(out_.get(), messages_.data(), batch, 0, nullptr));
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) seen.take(turn_[i]);
    return static_cast<std::uint64_t>(count);
  }
  void reader_lost() noexcept { out_.close(); }

 private:
  static constexpr std::size_t batch = 1024;  // what recvmmsg takes at once
  Descriptor out_, in_;
  std::array<Record, batch> turn_{};
  std::array<iovec, batch> parts_{};
  std::array<mmsghdr, batch> messages_{};
};

/// A POSIX message queue, as long as this process may make one (often 10 messages).
class PosixMessageQueue {
 public:
  static constexpr const char* name = "posix_message_queue";
  static constexpr Traits traits{.producers = 2, .processes = true, .pushes = 50'000};

  explicit PosixMessageQueue(std::size_t) {
    const auto object = "/ring-peers-" + std::to_string(::getpid());
    for (long records = queue_records; queue_.get() < 0 && records > 1;
         records = records > 10 ? records / 2 : 1) {
      mq_attr attributes{};
      attributes.mq_maxmsg = records < 20 ? 10 : records;
      attributes.mq_msgsize = sizeof(Record);
      queue_ =
          Descriptor(::mq_open(object.c_str(), O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600, &attributes));
    }
    if (queue_.get() < 0) throw ring::system_error("make the message queue " + object, errno);
    ::mq_unlink(object.c_str());
  }
  bool push(const Record& record) noexcept {
    return ::mq_send(queue_.get(), reinterpret_cast<const char*>(&record), sizeof record, 0) == 0;
  }
  auto writer(std::size_t) { return RecordWriter(*this); }
  std::uint64_t drain(Seen& seen) {
    Record record;
    std::uint64_t taken = 0;
    for (; taken<turn_records&& ::mq_receive(queue_.get(), reinterpret_cast<char*>(&record), sizeof record,
                                             nullptr)> 0;
         ++taken)
      seen.take(record);
    return taken;
  }
  void reader_lost() noexcept {}

 private:
  Descriptor queue_;
};

}  // namespace peers
