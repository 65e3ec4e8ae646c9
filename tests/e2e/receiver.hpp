// receiver.hpp: VictoriaMetrics and Prometheus from Debian's packages, as receivers of remote write on the loopback.
#pragma once

#include <httplib.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "port.hpp"
#include "support.hpp"
#include "write_request.hpp"

namespace support {

/// Every sample of a series, ascending: milliseconds, value.
using SeriesSamples = std::map<std::string, std::vector<std::pair<std::int64_t, double>>>;

/// Waits for something that another process does. Throws after two minutes.
template <class Condition>
void wait_for(const std::string& what, Condition&& condition) {
  for (int i = 0; i < 24'000; ++i) {
    if (condition()) return;
    ::usleep(5000);
  }
  throw std::runtime_error("waited in vain for " + what);
}

class Receiver {
 public:
  enum class Kind { victoria, prometheus };

  /// Whether its package is installed.
  static bool is_installed(Kind kind) {
    return ::access(kind == Kind::victoria ? "/usr/bin/victoria-metrics" : "/usr/bin/prometheus", X_OK) == 0;
  }

  explicit Receiver(Kind kind) : kind_(kind) {
    std::ofstream(folder_ / "prometheus.yml") << "storage:\n  tsdb:\n    out_of_order_time_window: 1h\n";
    start();
  }
  ~Receiver() {
    process_ = {};
    std::filesystem::remove_all(folder_);
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/api/v1/write"; }
  const char* name() const { return kind_ == Kind::victoria ? "victoria-metrics" : "prometheus"; }
  /// SIGKILL.
  void kill() { process_.kill(); }
  /// Returns once it takes samples.
  void start() {
    const auto address = "127.0.0.1:" + std::to_string(port_);
    if (kind_ == Kind::victoria)
      process_ = Child({"/usr/bin/env", "GOMAXPROCS=1", "/usr/bin/victoria-metrics", "-storageDataPath=" + (folder_ / "data").string(),
                        "-httpListenAddr=" + address, "-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms",
                        "-search.latencyOffset=0s"},
                       folder_ / "log");
    else
      process_ = Child({"/usr/bin/env", "GOMAXPROCS=1", "/usr/bin/prometheus", "--config.file=" + (folder_ / "prometheus.yml").string(),
                        "--storage.tsdb.path=" + (folder_ / "data").string(), "--web.enable-remote-write-receiver",
                        "--web.listen-address=" + address},
                       folder_ / "log");
    wait_for(std::string(name()) + " to be ready", [&] {
      if (!process_.running()) throw std::runtime_error(std::string(name()) + " ended: " + read_file(folder_ / "log"));
      const auto answer = client().Get(kind_ == Kind::victoria ? "/health" : "/-/ready");
      return answer && answer->status == 200;
    });
  }
  /// What its query API gives of the hour before `time_s`, sample by sample.
  SeriesSamples samples(std::int64_t time_s) {
    if (kind_ == Kind::victoria) client().Get("/internal/force_flush");
    const auto answer = client().Post("/api/v1/query", httplib::Params{{"query", "{__name__=~\".+\"}[1h]"}, {"time", std::to_string(time_s)}});
    if (!answer || answer->status != 200) throw std::runtime_error(std::string(name()) + ": " + (answer ? answer->body : "no answer"));
    SeriesSamples out;
    const auto body = nlohmann::json::parse(answer->body);
    for (const auto& series : body.at("data").at("result")) {
      auto& samples = out[series_key(series.at("metric").get<std::map<std::string, std::string>>())];
      for (const auto& sample : series.at("values")) {
        const auto value = std::stod(sample.at(1).get<std::string>());
        if (!std::isnan(value)) samples.emplace_back(std::llround(sample.at(0).get<double>() * 1000), value);  // a marker is none
      }
    }
    return out;
  }
  /// How many series it shows at a time, those included that have no sample then, but one of late.
  std::size_t series_at(double time_s) {
    const auto answer = client().Post("/api/v1/query", httplib::Params{{"query", "{__name__=~\".+\"}"}, {"time", std::to_string(time_s)}});
    if (!answer || answer->status != 200) throw std::runtime_error(std::string(name()) + ": " + (answer ? answer->body : "no answer"));
    return nlohmann::json::parse(answer->body).at("data").at("result").size();
  }

 private:
  httplib::Client client() const {
    httplib::Client out("127.0.0.1", port_);
    out.set_read_timeout(60);
    return out;
  }

  Kind kind_;
  std::filesystem::path folder_ = unique_folder();
  int port_ = free_port();
  Child process_;
};

}  // namespace support
