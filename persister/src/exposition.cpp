#include "exposition.hpp"

#include <httplib.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <atomic>
#include <charconv>
#include <mutex>
#include <thread>

#include "ring/error.hpp"

namespace ringdown {
namespace {

constexpr std::chrono::seconds hung_after{10};
constexpr std::size_t threads = 2;
constexpr const char* text_format = "text/plain; version=0.0.4; charset=utf-8";

/// Figures of one name follow each other in a family.
std::vector<prometheus::MetricFamily> families(const std::vector<Figure>& figures) {
  std::vector<prometheus::MetricFamily> out;
  for (const auto& figure : figures) {
    const bool is_counter = figure.kind == ring::Kind::counter;
    auto family = std::find_if(out.begin(), out.end(), [&](const auto& f) { return f.name == figure.name; });
    if (family == out.end()) {
      const auto type = is_counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
      family = out.insert(out.end(), {figure.name, figure.help, type, {}});
    }
    auto& metric = family->metric.emplace_back();
    for (const auto& [name, value] : figure.labels) metric.label.push_back({name, value});
    (is_counter ? metric.counter.value : metric.gauge.value) = figure.value;
  }
  return out;
}

}  // namespace

std::optional<std::pair<std::string, int>> parse_listen(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  auto host = text.substr(0, colon);
  const auto port_text = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    return {};
  int port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (host.empty() || error != std::errc{} || end != port_text.data() + port_text.size() || port < 1 || port > 65'535)
    return {};
  return std::pair(std::string(host), port);
}

struct Exposition::Server {
  httplib::Server http;
  std::thread thread;
  std::mutex mutex;
  std::string page, trouble;
  Clock::time_point alive = Clock::now();

  /// What keeps the loop from being well, empty when nothing does.
  std::string illness() {
    const auto still = Clock::now() - alive;
    if (still < hung_after) return {};
    return "no round for " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(still).count()) + " s\n";
  }
};

Exposition::Exposition(const std::string& listen) : server_(std::make_unique<Server>()) {
  auto& server = *server_;
  server.http.new_task_queue = [] { return new httplib::ThreadPool(threads); };
  server.http.set_keep_alive_max_count(100);
  server.http.set_read_timeout(5);
  server.http.set_payload_max_length(0);
  server.http.set_socket_options([](auto socket) {  // not the library's, by which two could share a port
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  });
  server.http.Get("/metrics", [&](const httplib::Request&, httplib::Response& out) {
    const std::lock_guard lock(server.mutex);
    out.set_content(server.page, text_format);
  });
  const auto answer = [](httplib::Response& out, const std::string& wrong) {
    out.status = wrong.empty() ? 200 : 503;
    out.set_content(wrong.empty() ? "ok\n" : wrong, "text/plain");
  };
  server.http.Get("/healthz", [&, answer](const httplib::Request&, httplib::Response& out) {
    const std::lock_guard lock(server.mutex);
    answer(out, server.illness());
  });
  server.http.Get("/readyz", [&, answer](const httplib::Request&, httplib::Response& out) {
    const std::lock_guard lock(server.mutex);
    const auto illness = server.illness();
    answer(out, !illness.empty() ? illness : server.trouble.empty() ? "" : server.trouble + "\n");
  });
  const auto address = parse_listen(listen);
  if (!address || !server.http.bind_to_port(address->first.c_str(), address->second))
    throw ring::Error(ring::Failure::system, "exposition.listen \"" + listen + "\": cannot listen there: " +
                                                 std::strerror(errno) + "; see who does with: ss -ltnp");
  server.thread = std::thread([&server] { server.http.listen_after_bind(); });
  while (!server.http.is_running()) std::this_thread::yield();  // until then it would not see stop()
}

Exposition::~Exposition() {
  server_->http.stop();
  server_->thread.join();
}

void Exposition::publish(const std::vector<Figure>& figures) {
  auto page = prometheus::TextSerializer().Serialize(families(figures));
  const std::lock_guard lock(server_->mutex);
  server_->page = std::move(page);
}

void Exposition::progress(Clock::time_point now, const std::string& trouble) {
  const std::lock_guard lock(server_->mutex);
  server_->alive = now;
  server_->trouble = trouble;
}

}  // namespace ringdown
