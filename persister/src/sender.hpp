// sender.hpp: posts requests of remote write to one destination, over a connection that is kept.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "remote_write_settings.hpp"

namespace ringdown {

class Sender {
 public:
  static constexpr std::size_t text_bytes_max = 1024;

  struct Answer {
    long status = 0;                       // of HTTP; 0: no answer came
    std::string text = {};                 // what the receiver says, its beginning; or why there is no answer
    std::chrono::seconds retry_after{0};   // what it asks for, 0: nothing
    bool reconnected = false;              // the connection of the request before was gone, though nobody had announced it
  };

  /// @param stop  once it is true a request that is under way ends, within a second
  Sender(const RemoteWriteSettings& settings, const std::atomic<bool>& stop);
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  /// Throws ring::Error when libcurl does not take a setting.
  Answer post(const std::string& body);

 private:
  struct Curl;
  std::string authenticate();

  RemoteWriteSettings settings_;
  std::unique_ptr<Curl> curl_;
};

}  // namespace ringdown
