// engine.hpp: VictoriaMetrics or Prometheus (Debian's packages) on loopback, and what feeds it by remote write.
#pragma once

#include <httplib.h>

#include <stdexcept>

#include "port.hpp"
#include "process.hpp"
#include "remote_write.hpp"

namespace bench {

enum class Which { victoria, prometheus };

class Engine {
 public:
  /// Returns once it answers. @param cpu  of cpus()
  Engine(Which which, const std::filesystem::path& folder, std::size_t cpu = 0)
      : which_(which),
        folder_(folder),
        address_("127.0.0.1:" + std::to_string(port_)),
        process_(cpu, command()),
        http_("127.0.0.1", port_) {
    http_.set_keep_alive(true);
    http_.set_tcp_nodelay(true);
    http_.set_read_timeout(600);
    for (int i = 0; i < 1000; ++i, ::usleep(10'000))
      if (const auto answer = http_.Get(which == Which::victoria ? "/health" : "/-/ready"); answer && answer->status == 200)
        return;
    throw std::runtime_error(command().front() + " does not answer: is the package installed?");
  }

  const Process& process() const noexcept { return process_; }
  std::string url() const { return "http://" + address_; }
  std::string get(const std::string& path, const httplib::Params& parameters = {}) {
    const auto answer = http_.Get(path, parameters, httplib::Headers{});
    if (!answer || answer->status / 100 != 2)
      throw std::runtime_error(path + ": " + (answer ? std::to_string(answer->status) + ": " + answer->body : "no answer"));
    return answer->body;
  }
  std::string post(const std::string& path, const std::string& body, const httplib::Headers& headers = {}) {
    const auto answer = http_.Post(path, headers, body, "application/x-protobuf");
    if (!answer || answer->status / 100 != 2)
      throw std::runtime_error(path + ": " + (answer ? std::to_string(answer->status) + ": " + answer->body : "no answer"));
    return answer->body;
  }

 private:
  std::vector<std::string> command() const {
    if (which_ == Which::victoria)
      return {"victoria-metrics", "-storageDataPath=" + (folder_ / "data").string(), "-httpListenAddr=" + address_,
              "-retentionPeriod=100y", "-search.maxSamplesPerQuery=1000000000"};
    const auto config = folder_ / "prometheus.yml";
    std::ofstream(config) << "global: {}\n";
    return {"prometheus", "--config.file=" + config.string(), "--storage.tsdb.path=" + (folder_ / "data").string(),
            "--web.enable-remote-write-receiver", "--web.enable-admin-api", "--storage.tsdb.retention.time=100y",
            "--web.listen-address=" + address_};
  }

  Which which_;
  std::filesystem::path folder_;
  int port_ = support::free_port();
  std::string address_;
  Process process_;
  httplib::Client http_;
};

/// Samples on their way into an engine, or into Prometheus' agent: requests of this many or a second's more.
class Feed {
 public:
  using Post = std::function<void(const std::string& body, const httplib::Headers& headers)>;
  static constexpr std::int64_t post_samples = 10'000;

  Feed(const std::vector<ring::Definition>& series, Post post) : post_(std::move(post)), held_(series.size()) {
    for (const auto& definition : series) labels_.push_back(ringdown::encode_labels(definition, "", {}));
  }
  void add(std::size_t series, double value, std::int64_t time_ns) {
    held_[series].push_back({0, time_ns / 1'000'000, value});
    ++count_;
  }
  /// To be called between two seconds. @param all  however few they are
  void flush(bool all) {
    if (count_ == 0 || (!all && count_ < post_samples)) return;
    std::string request, body;
    for (std::size_t i = 0; i < held_.size(); ++i) {
      if (!held_[i].empty()) ringdown::append_series(request, labels_[i], held_[i]);
      held_[i].clear();
    }
    ringdown::pack_request(request, body);
    post_(body, {{"Content-Encoding", "snappy"}, {"X-Prometheus-Remote-Write-Version", "0.1.0"}});
    samples_ += count_;
    count_ = 0;
  }
  std::int64_t samples() const noexcept { return samples_; }

 private:
  Post post_;
  std::vector<std::string> labels_;
  std::vector<std::vector<ringdown::RemoteSample>> held_;
  std::int64_t count_ = 0, samples_ = 0;
};

}  // namespace bench
