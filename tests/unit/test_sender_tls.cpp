// test_sender_tls.cpp: a request over TLS: whom the sender believes, what it shows of itself, and what it says when one
// of the two does not suffice.
#include <catch2/catch.hpp>
#include <httplib.h>

#include <fstream>
#include <thread>

#include "certificate.hpp"
#include "port.hpp"
#include "sink_fixture.hpp"

using namespace ringdown;
using namespace std::chrono_literals;
using Catch::Contains;
using support::Certificate;

namespace {

/// A receiver on the loopback that speaks TLS.
class Server {
 public:
  /// @param clients  the authority of those that it takes requests from; null: it asks nobody for a certificate
  Server(int port, const Certificate& certificate, const Certificate* clients = nullptr, int version_max = TLS1_3_VERSION)
      : server_(certificate.x509(), certificate.key(), clients ? clients->new_store() : nullptr) {
    REQUIRE(server_.is_valid());
    SSL_CTX_set_max_proto_version(server_.ssl_context(), version_max);
    server_.Post("/write", [this](const auto&, auto& response) {
      ++requests;
      response.status = 204;
    });
    REQUIRE(server_.bind_to_port("127.0.0.1", port));
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~Server() {
    server_.stop();
    thread_.join();
  }
  std::atomic<int> requests{0};

 private:
  httplib::SSLServer server_;
  std::thread thread_;
};

struct Fixture {
  Fixture() {
    settings.url = url;
    settings.ca_file = authority.write(folder / "ca.pem");
  }
  ~Fixture() { std::filesystem::remove_all(folder); }
  void show(const Certificate& certificate) {
    settings.cert_file = certificate.write(folder / "cert.pem");
    settings.key_file = certificate.write_key(folder / "key.pem");
  }
  Sender::Answer post() {
    Sender sender(settings, stop);
    return sender.post("a");
  }

  std::filesystem::path folder = support::unique_folder();
  int port = support::free_port();
  const std::string url = "https://127.0.0.1:" + std::to_string(port) + "/write";
  Certificate authority{""}, other_authority{""}, receiver{"IP:127.0.0.1", &authority}, client{"DNS:plant-1", &authority};
  RemoteWriteSettings settings;
  std::atomic<bool> stop{false};
};

}  // namespace

TEST_CASE("a receiver is believed whose certificate the authority in ca_file vouches for", "[sender][tls]") {
  Fixture f;
  Server server(f.port, f.receiver);
  Sender sender(f.settings, f.stop);
  for (int i = 0; i < 3; ++i) {
    const auto answer = sender.post("a");
    CHECK(answer.status == 204);
    CHECK(answer.text.empty());
    CHECK_FALSE(answer.reconnected);
  }
  CHECK(server.requests == 3);
}

TEST_CASE("a receiver is refused that another authority, or none, vouches for, and gets nothing", "[sender][tls]") {
  Fixture f;
  const bool is_system = GENERATE(false, true);
  Server server(f.port, f.receiver);
  f.settings.ca_file = is_system ? "" : f.other_authority.write(f.folder / "other.pem");
  const auto answer = f.post();
  CHECK(answer.status == 0);
  CHECK_THAT(answer.text, Contains(f.url + ": SSL certificate problem: ") && Contains("issuer certificate"));
  CHECK_THAT(answer.text, Contains(is_system ? "an authority in the system's list: ca_file names others"
                                             : "an authority in ca_file " + f.settings.ca_file));
  CHECK(server.requests == 0);
}

TEST_CASE("a receiver is refused whose certificate is for another host", "[sender][tls]") {
  Fixture f;
  const Certificate other("DNS:elsewhere.example", &f.authority);
  Server server(f.port, other);
  const auto answer = f.post();
  CHECK(answer.status == 0);
  CHECK_THAT(answer.text, Contains("subject name") && Contains("'127.0.0.1'") &&
                              Contains("; expected a certificate for the host in url, valid now"));
  CHECK(server.requests == 0);
}

TEST_CASE("a receiver is refused whose certificate has expired", "[sender][tls]") {
  Fixture f;
  const Certificate old("IP:127.0.0.1", &f.authority, -60);
  Server server(f.port, old);
  const auto answer = f.post();
  CHECK(answer.status == 0);
  CHECK_THAT(answer.text, Contains("certificate has expired; expected a certificate for the host in url, valid now"));
  CHECK(server.requests == 0);
}

TEST_CASE("an authority that is put into ca_file later is believed by the next request", "[sender][tls]") {
  Fixture f;
  Server server(f.port, f.receiver);
  f.other_authority.write(f.settings.ca_file);
  Sender sender(f.settings, f.stop);
  CHECK(sender.post("a").status == 0);
  f.authority.write(f.settings.ca_file);
  CHECK(sender.post("a").status == 204);
}

TEST_CASE("a ca_file that is not there, or has no certificate, is named", "[sender][tls]") {
  Fixture f;
  Server server(f.port, f.receiver);
  f.settings.ca_file = (f.folder / "nothing.pem").string();
  CHECK_THAT(f.post().text, Contains("; read ca_file " + f.settings.ca_file + ": No such file or directory; expected a file that"));
  std::ofstream(f.settings.ca_file) << "no PEM\n";
  CHECK_THAT(f.post().text, Contains("; expected certificates in PEM in ca_file " + f.settings.ca_file));
}

TEST_CASE("a receiver that asks for a certificate gets it, from two files or from one", "[sender][tls]") {
  Fixture f;
  Server server(f.port, f.receiver, &f.authority);
  f.show(f.client);
  CHECK(f.post().status == 204);
  std::ofstream(f.settings.cert_file, std::ios::app) << support::read_file(f.settings.key_file);
  f.settings.key_file.clear();
  CHECK(f.post().status == 204);
  CHECK(server.requests == 2);
}

TEST_CASE("a receiver that asks for a certificate, and gets none that it believes, takes nothing", "[sender][tls]") {
  Fixture f;
  Server server(f.port, f.receiver, &f.authority, GENERATE(TLS1_2_VERSION, TLS1_3_VERSION));
  auto answer = f.post();
  CHECK(answer.status == 0);
  CHECK_THAT(answer.text, Contains(f.url) && Contains("; if it asks for a certificate of this machine, cert_file and key_file name one"));
  f.show(Certificate("DNS:plant-1", &f.other_authority));
  answer = f.post();
  CHECK(answer.status == 0);
  CHECK_THAT(answer.text, Contains("; it may not take the certificate in cert_file " + f.settings.cert_file));
  CHECK(server.requests == 0);
}

TEST_CASE("a key or certificate that cannot be read is named with its setting and the reason", "[sender][tls]") {
  Fixture f;
  Server server(f.port, f.receiver, &f.authority);
  f.show(f.client);
  const auto key = f.settings.key_file, cert = f.settings.cert_file;
  f.settings.key_file = (f.folder / "nothing.key").string();
  CHECK_THAT(f.post().text, Contains("; read key_file " + f.settings.key_file + ": No such file or directory; expected a file that"));
  f.settings.key_file = f.folder.string();
  CHECK_THAT(f.post().text, Contains("; read key_file " + f.settings.key_file + ": Is a directory"));
  f.settings.key_file = key;
  f.settings.cert_file = (f.folder / "nothing.pem").string();
  CHECK_THAT(f.post().text, Contains("; read cert_file " + f.settings.cert_file + ": No such file or directory"));
  f.settings.cert_file = cert;
  const auto expected = "; expected PEM: a certificate in cert_file " + cert + " and its key, without a pass phrase, in key_file " + key;
  f.receiver.write_key(key);  // another one's
  CHECK_THAT(f.post().text, Contains(expected));
  f.client.write_key(key, "secret");  // nobody is asked for it
  CHECK_THAT(f.post().text, Contains(expected));
  std::ofstream(key) << "no PEM\n";
  CHECK_THAT(f.post().text, Contains(expected));
  f.client.write_key(key);
  CHECK(f.post().status == 204);
  CHECK(server.requests == 1);
}

TEST_CASE("a destination waits while its key file is missing, and goes on once it is there", "[sender][sink][tls]") {
  Fixture f;
  Server server(f.port, f.receiver, &f.authority);
  f.show(f.client);
  std::filesystem::remove(f.settings.key_file);
  Sender sender(f.settings, f.stop);
  sink_test::Fixture to;
  to.commit({1, 2});
  to.sink.emplace(to.reader, to.settings, SinkRow{.destination = "site", .sends = "raw"},
                  [&](const std::string& body) { return sender.post(body); }, 1);
  to.run_for(3s);
  auto row = to.take().row;
  CHECK(row.state == "waiting");
  CHECK(row.counts.failures > 1);
  CHECK(row.cursor.accepted == 0);
  CHECK_THAT(row.trouble, Contains(f.url) && Contains("read key_file " + f.settings.key_file + ": No such file or directory"));
  f.client.write_key(f.settings.key_file);
  to.run_for(60s);
  row = to.take().row;
  CHECK(row.state == "sending");
  CHECK(row.trouble.empty());
  CHECK(row.cursor.settled == 1);
  CHECK(row.counts.samples == 2);
}
