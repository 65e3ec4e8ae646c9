// scrape.hpp: fetches an exporter's page over HTTP, as Prometheus does.
#pragma once

#include <csignal>
#include <cstdint>
#include <memory>
#include <string>

namespace ringdown {

class Scraper {
 public:
  static constexpr std::size_t page_bytes_max = 64 << 20;

  struct Page {
    std::string text = {};
    bool openmetrics = false;  // what the exporter says the text is
    std::string error = {};    // why there is none, else empty
  };

  /// Throws ring::Error(bad_argument) unless it is http:// or https:// and a host.
  /// @param timeout_ms  how long a page may take
  /// @param stop        not 0 when a signal has asked for the end, also of a page that is on its way
  Scraper(const std::string& url, std::int64_t timeout_ms, const volatile std::sig_atomic_t& stop);
  ~Scraper();
  Scraper(const Scraper&) = delete;
  Scraper& operator=(const Scraper&) = delete;

  Page get();
  /// host:port, as Prometheus labels it.
  const std::string& instance() const noexcept { return instance_; }

 private:
  struct Curl;
  std::unique_ptr<Curl> curl_;
  std::string instance_;
};

}  // namespace ringdown
