// test_sender.cpp: a request over HTTP, and what is made of its answer.
#include <catch2/catch.hpp>
#include <httplib.h>

#include <fstream>
#include <future>
#include <thread>

#include "port.hpp"
#include "sender.hpp"
#include "support.hpp"

using namespace ringdown;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

/// A receiver on the loopback.
class Server {
 public:
  using Handler = std::function<void(const httplib::Request&, httplib::Response&)>;
  Server(int port, Handler handler) {
    server_.Post("/write", [handler = std::move(handler)](const auto& request, auto& response) { handler(request, response); });
    server_.set_keep_alive_max_count(1000);
    server_.set_tcp_nodelay(true);
    REQUIRE(server_.bind_to_port("127.0.0.1", port));
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~Server() {
    server_.stop();
    thread_.join();
  }

 private:
  httplib::Server server_;
  std::thread thread_;
};

struct Fixture {
  Fixture() { settings.url = "http://127.0.0.1:" + std::to_string(port) + "/write"; }
  ~Fixture() { std::filesystem::remove_all(folder); }
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name) << text;
    return (folder / name).string();
  }

  std::filesystem::path folder = support::unique_folder();
  int port = support::free_port();
  RemoteWriteSettings settings;
  std::atomic<bool> stop{false};
};

}  // namespace

TEST_CASE("a request has the headers of remote write and those of the settings", "[sender]") {
  Fixture f;
  httplib::Headers headers;
  std::string body;
  const Server server(f.port, [&](const auto& request, auto& response) {
    headers = request.headers;
    body = request.body;
    response.status = 204;
  });
  f.settings.headers = {{"X-Scope-OrgID", "site"}};
  f.settings.user = "plant";
  f.settings.password_file = f.file("password", "secret\nnot this");
  Sender sender(f.settings, f.stop);
  const std::string bytes("a\0b", 3);
  CHECK(sender.post(bytes).status == 204);
  CHECK(body == bytes);
  const auto header = [&](const char* name) { return headers.count(name) == 1 ? headers.find(name)->second : "not there"; };
  CHECK(header("Content-Encoding") == "snappy");
  CHECK(header("Content-Type") == "application/x-protobuf");
  CHECK(header("X-Prometheus-Remote-Write-Version") == "0.1.0");
  CHECK(header("X-Scope-OrgID") == "site");
  CHECK(header("Authorization") == "Basic cGxhbnQ6c2VjcmV0");
  CHECK(headers.count("Expect") == 0);
}

TEST_CASE("a token is read again before each request, and one that cannot be read is told", "[sender]") {
  Fixture f;
  std::string authorization;
  const Server server(f.port, [&](const auto& request, auto&) { authorization = request.get_header_value("Authorization"); });
  f.settings.bearer_file = f.file("token", "first\n");
  Sender sender(f.settings, f.stop);
  CHECK(sender.post("").status == 200);
  CHECK(authorization == "Bearer first");
  f.file("token", "second");
  sender.post("");
  CHECK(authorization == "Bearer second");
  std::filesystem::remove(f.settings.bearer_file);
  const auto answer = sender.post("");
  CHECK(answer.status == 0);
  CHECK(answer.text == "read bearer_file " + f.settings.bearer_file +
                           ": No such file or directory; expected a file that ring-persister's user can read");
}

TEST_CASE("an answer has its status, the beginning of its words on one line, and what it asks for", "[sender]") {
  Fixture f;
  const Server server(f.port, [&](const auto&, auto& response) {
    response.status = 429;
    response.set_header("Retry-After", "7");
    response.set_content("too\tmuch\n" + std::string(100'000, 'x') + "\n", "text/plain");
  });
  Sender sender(f.settings, f.stop);
  const auto answer = sender.post("a");
  CHECK(answer.status == 429);
  CHECK(answer.retry_after == 7s);
  CHECK(answer.text == "too much " + std::string(Sender::text_bytes_max - 9, 'x'));
}

TEST_CASE("a connection that is gone without a word is told, one whose end was announced is not", "[sender]") {
  Fixture f;
  bool announces = false;
  const auto handler = [&](const auto&, auto& response) {
    if (announces) response.set_header("Connection", "close");
  };
  auto server = std::make_unique<Server>(f.port, handler);
  Sender sender(f.settings, f.stop);
  const auto restart = [&] {
    server.reset();
    server = std::make_unique<Server>(f.port, handler);
  };
  CHECK_FALSE(sender.post("a").reconnected);
  CHECK_FALSE(sender.post("a").reconnected);
  restart();
  CHECK(sender.post("a").reconnected);
  CHECK_FALSE(sender.post("a").reconnected);
  announces = true;
  sender.post("a");
  restart();
  CHECK_FALSE(sender.post("a").reconnected);
  server.reset();
  const auto refused = sender.post("a");
  CHECK(refused.status == 0);
  CHECK_THAT(refused.text, Contains("Failed to connect") || Contains("refused"));
}

TEST_CASE("a request is given up at its deadline, and when it is to stop", "[sender]") {
  Fixture f;
  std::promise<void> came, go;
  auto came_future = came.get_future();
  auto may_go = go.get_future().share();
  std::atomic<int> requests{0};
  const Server server(f.port, [&](const auto&, auto&) {
    if (++requests == 2) came.set_value();
    may_go.wait();
  });
  f.settings.deadline = 50ms;
  {
    Sender sender(f.settings, f.stop);
    const auto answer = sender.post("a");
    CHECK(answer.status == 0);
    CHECK_THAT(answer.text, Contains("timed out"));
  }
  f.settings.deadline = 600s;
  std::thread stopper([&] {
    came_future.wait();
    f.stop = true;
  });
  Sender sender(f.settings, f.stop);
  CHECK(sender.post("a").status == 0);
  stopper.join();
  go.set_value();
}
