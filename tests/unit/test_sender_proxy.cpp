// test_sender_proxy.cpp: a request through a proxy.
#include <catch2/catch.hpp>
#include <httplib.h>
#include <poll.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "certificate.hpp"
#include "port.hpp"
#include "sender.hpp"
#include "support.hpp"

using namespace ringdown;
using Catch::Contains;

namespace {

/// Any server of httplib on the loopback, in a thread of its own.
template <class HttpServer>
class Listening {
 public:
  template <class... Arguments>
  explicit Listening(int port, Arguments&&... arguments) : server(std::forward<Arguments>(arguments)...) {
    REQUIRE(server.bind_to_port("127.0.0.1", port));
    server.set_tcp_nodelay(true);
    thread_ = std::thread([this] { server.listen_after_bind(); });
    while (!server.is_running()) std::this_thread::yield();
  }
  ~Listening() {
    server.stop();
    thread_.join();
  }
  HttpServer server;

 private:
  std::thread thread_;
};

/// Takes one connection, and answers its CONNECT; after a 200 it passes on what comes, to a port of the loopback.
class Tunnel {
 public:
  Tunnel(int port, int to, std::string answer) {
    const auto address = at(port);
    REQUIRE(::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes_, sizeof yes_) == 0);
    REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 1) == 0);
    thread_ = std::thread([this, to, answer = std::move(answer)] { serve(to, answer); });
  }
  ~Tunnel() {
    join();
    ::close(listener_);
  }
  /// Once the connection has ended, or if none has come. @return the request for the tunnel
  const std::string& join() {
    ::shutdown(listener_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    return request_;
  }

 private:
  static sockaddr_in at(int port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    out.sin_port = htons(static_cast<std::uint16_t>(port));
    return out;
  }
  void serve(int to, const std::string& answer) {
    std::array<int, 2> ends{::accept(listener_, nullptr, nullptr), ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    for (char c; request_.find("\r\n\r\n") == request_.npos && ::read(ends[0], &c, 1) == 1;) request_ += c;
    const auto address = at(to);
    bool is_open = ::write(ends[0], answer.data(), answer.size()) > 0 && answer.find(" 200 ") != answer.npos &&
                   ::connect(ends[1], reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    while (is_open) {
      std::array<pollfd, 2> ready{{{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}}};
      ::poll(ready.data(), ready.size(), -1);
      for (std::size_t i = 0; i < 2; ++i) {
        if (ready[i].revents == 0) continue;
        char bytes[4096];
        const auto count = ::read(ends[i], bytes, sizeof bytes);
        is_open &= count > 0 && ::send(ends[1 - i], bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL) == count;
      }
    }
    for (const int end : ends) ::close(end);
  }

  static constexpr int yes_ = 1;
  int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string request_;
  std::thread thread_;
};

struct Fixture {
  ~Fixture() { std::filesystem::remove_all(folder); }
  Sender::Answer post() {
    Sender sender(settings, stop);
    return sender.post("a");
  }

  std::filesystem::path folder = support::unique_folder();
  int port = support::free_port();
  const std::string proxy = "http://127.0.0.1:" + std::to_string(port);
  RemoteWriteSettings settings;
  std::atomic<bool> stop{false};
};

}  // namespace

TEST_CASE("a proxy gets the whole URL, and looks up the name; its credentials are not the receiver's", "[sender][proxy]") {
  Fixture f;
  Listening<httplib::Server> proxy(f.port);
  httplib::Headers headers;
  proxy.server.Post("http://receiver.invalid/write", [&](const auto& request, auto& response) {
    headers = request.headers;
    response.status = 204;
  });
  f.settings.url = "http://receiver.invalid/write";
  const bool is_set = GENERATE(true, false);
  if (is_set)
    f.settings.proxy = "http://plant:secret@127.0.0.1:" + std::to_string(f.port);
  else
    ::setenv("http_proxy", f.proxy.c_str(), 1);
  CHECK(f.post().status == 204);
  ::unsetenv("http_proxy");
  CHECK(headers.count("Authorization") == 0);
  CHECK(headers.count("Proxy-Authorization") == is_set);
}

TEST_CASE("TLS goes through a proxy's tunnel, from end to end", "[sender][proxy][tls]") {
  Fixture f;
  const support::Certificate authority(""), certificate("DNS:receiver.invalid", &authority);
  const auto port = support::free_port();
  Listening<httplib::SSLServer> receiver(port, certificate.x509(), certificate.key());
  receiver.server.Post("/write", [](const auto&, auto& response) { response.status = 204; });
  Tunnel tunnel(f.port, port, "HTTP/1.1 200 Connection established\r\n\r\n");
  f.settings.url = "https://receiver.invalid/write";
  f.settings.ca_file = authority.write(f.folder / "ca.pem");
  f.settings.bearer_file = (f.folder / "token").string();
  std::ofstream(f.settings.bearer_file) << "secret\n";
  f.settings.proxy = f.proxy;
  const auto answer = f.post();
  CHECK(answer.status == 204);
  CHECK(answer.text.empty());
  CHECK_THAT(tunnel.join(), Catch::StartsWith("CONNECT receiver.invalid:443 HTTP/1.1\r\n") && !Contains("Authorization"));
}

TEST_CASE("a proxy that opens no tunnel is named with its answer", "[sender][proxy]") {
  Fixture f;
  Tunnel tunnel(f.port, 0, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  f.settings.url = "https://receiver.invalid/write";
  f.settings.proxy = f.proxy;
  const auto answer = f.post();
  CHECK(answer.status == 0);
  CHECK_THAT(answer.text, Contains(f.settings.url + ": ") && Contains("403") && Catch::EndsWith(" (proxy " + f.proxy + ")"));
}

TEST_CASE("a proxy that is not there is named without its password", "[sender][proxy]") {
  Fixture f;
  f.settings.url = "http://receiver.invalid/write";
  f.settings.proxy = "http://plant:secret@127.0.0.1:" + std::to_string(f.port);
  const auto answer = f.post();
  CHECK(answer.status == 0);
  CHECK_THAT(answer.text, Contains(f.settings.url + ": Failed to connect to 127.0.0.1 port " + std::to_string(f.port)) &&
                              Contains(" (proxy " + f.proxy + ")") && !Contains("secret"));
}
