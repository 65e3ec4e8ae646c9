#include "sender.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <optional>
#include <utility>

#include "ring/error.hpp"

namespace ringdown {
namespace {

constexpr std::size_t secret_bytes_max = 64 << 10;

template <class... Value>
void set(CURL* handle, CURLoption option, Value... value) {
  if (const auto code = ::curl_easy_setopt(handle, option, value...); code != CURLE_OK)
    throw ring::Error(ring::Failure::system, std::string("set up libcurl: ") + ::curl_easy_strerror(code));
}

std::size_t keep_beginning(char* data, std::size_t, std::size_t bytes, void* text) {
  auto& out = *static_cast<std::string*>(text);
  out.append(data, std::min(bytes, Sender::text_bytes_max - out.size()));
  return bytes;
}

int ask_stop(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(stop)->load();
}

/// Sets the flag when the receiver announces that it closes the connection.
std::size_t look_at_header(char* data, std::size_t, std::size_t bytes, void* closes) {
  std::string line(data, std::min<std::size_t>(bytes, 64));
  for (char& c : line) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (line.starts_with("connection:") && line.find("close") != line.npos) *static_cast<bool*>(closes) = true;
  return bytes;
}

/// The first line of a file. Nothing when it cannot be read; errno then says why.
std::optional<std::string> read_secret(const std::string& path) {
  std::ifstream file(path);
  std::string line(secret_bytes_max, '\0');
  if (!file.is_open()) return {};
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  if (file.bad()) return {};
  line.resize(static_cast<std::size_t>(file.gcount()));
  return line.substr(0, line.find_first_of("\r\n"));
}

/// Why a file that a setting names cannot be read; errno says it.
std::string unreadable(const char* setting, const std::string& path) {
  return std::string("read ") + setting + " " + path + ": " + std::strerror(errno) +
         "; expected a file that ring-persister's user can read";
}

/// Which settings libcurl's words are about, and what they should be.
std::string advice(const RemoteWriteSettings& settings, CURLcode code, bool is_new_connection) {
  const auto &ca = settings.ca_file, &cert = settings.cert_file, &key = settings.key_file;
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return "; expected a certificate for the host in url, valid now, of an authority in " +
             (ca.empty() ? "the system's list: ca_file names others" : "ca_file " + ca);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      for (const auto& [setting, path] : {std::pair("ca_file", ca), std::pair("cert_file", cert), std::pair("key_file", key)})
        if (!path.empty() && !read_secret(path)) return "; " + unreadable(setting, path);
      if (code == CURLE_SSL_CACERT_BADFILE) return "; expected certificates in PEM in ca_file " + ca;
      return "; expected PEM: a certificate in cert_file " + cert + " and its key, without a pass phrase, in " +
             (key.empty() ? "the same file: key_file names another" : "key_file " + key);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:  // TLS 1.3 refuses a client's certificate after the handshake
      if (!is_new_connection || !settings.url.starts_with("https:")) return {};
      return cert.empty() ? "; if it asks for a certificate of this machine, cert_file and key_file name one"
                          : "; it may not take the certificate in cert_file " + cert;
    default: return {};
  }
}

/// A proxy's URL without its user and password.
std::string shown_proxy(std::string url) {
  const auto end = url.rfind('@') + 1;  // npos: 0
  const auto scheme = url.find("://");
  const auto begin = scheme < end ? scheme + 3 : 0;
  return end > 0 ? url.erase(begin, end - begin) : url;
}

/// One line that can be shown: receivers end their words with a line feed.
std::string as_line(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

}  // namespace

struct Sender::Curl {
  CURL* handle = ::curl_easy_init();
  curl_slist* headers = nullptr;
  std::string text;
  bool connected = false, closes = false;  // a connection should be there; the receiver has announced its end
  char error[CURL_ERROR_SIZE] = {};

  ~Curl() {
    ::curl_slist_free_all(headers);
    ::curl_easy_cleanup(handle);
  }
  void add_header(const std::string& line) {
    auto* const longer = ::curl_slist_append(headers, line.c_str());
    if (!longer) throw std::bad_alloc();
    headers = longer;
  }
};

Sender::Sender(const RemoteWriteSettings& settings, const std::atomic<bool>& stop)
    : settings_(settings), curl_(std::make_unique<Curl>()) {
  auto* const handle = curl_->handle;
  if (!handle) throw std::bad_alloc();
  for (const auto* line : {"Content-Encoding: snappy", "Content-Type: application/x-protobuf",
                           "X-Prometheus-Remote-Write-Version: 0.1.0", "Expect:"})
    curl_->add_header(line);
  for (const auto& [name, value] : settings_.headers) curl_->add_header(name + ": " + value);
  set(handle, CURLOPT_URL, settings_.url.c_str());
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(handle, CURLOPT_POST, 1L);
  set(handle, CURLOPT_HTTPHEADER, curl_->headers);
  set(handle, CURLOPT_USERAGENT, "ring-persister");
  set(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(settings_.deadline.count()));
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_QUICK_EXIT, 1L);  // does not wait for a name that is looked up
  set(handle, CURLOPT_ERRORBUFFER, static_cast<char*>(curl_->error));
  set(handle, CURLOPT_WRITEFUNCTION, &keep_beginning);
  set(handle, CURLOPT_WRITEDATA, static_cast<void*>(&curl_->text));
  set(handle, CURLOPT_HEADERFUNCTION, &look_at_header);
  set(handle, CURLOPT_HEADERDATA, static_cast<void*>(&curl_->closes));
  set(handle, CURLOPT_NOPROGRESS, 0L);
  set(handle, CURLOPT_XFERINFOFUNCTION, &ask_stop);
  set(handle, CURLOPT_XFERINFODATA, static_cast<void*>(const_cast<std::atomic<bool>*>(&stop)));
  const auto set_path = [&](CURLoption option, const std::string& text) {
    if (!text.empty()) set(handle, option, text.c_str());
  };
  if (!settings_.ca_file.empty()) set(handle, CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // nobody else is believed
  set_path(CURLOPT_CAINFO, settings_.ca_file);
  set(handle, CURLOPT_CA_CACHE_TIMEOUT, 0L);  // a file that is replaced holds from the next connection on
  set_path(CURLOPT_SSLCERT, settings_.cert_file);
  set_path(CURLOPT_SSLKEY, settings_.key_file);
  set(handle, CURLOPT_KEYPASSWD, "");  // or OpenSSL asks whoever sits at the terminal
  set_path(CURLOPT_PROXY, settings_.proxy);
}

Sender::~Sender() = default;

/// @return why it cannot, else empty
std::string Sender::authenticate() {
  auto* const handle = curl_->handle;
  const bool is_bearer = !settings_.bearer_file.empty();
  const auto& file = is_bearer ? settings_.bearer_file : settings_.password_file;
  const auto secret = file.empty() ? std::string() : read_secret(file);
  if (!secret) return unreadable(is_bearer ? "bearer_file" : "password_file", file);
  if (is_bearer) {
    set(handle, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
    set(handle, CURLOPT_XOAUTH2_BEARER, secret->c_str());
  } else if (!settings_.user.empty()) {
    set(handle, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    set(handle, CURLOPT_USERNAME, settings_.user.c_str());
    set(handle, CURLOPT_PASSWORD, secret->c_str());
  }
  return {};
}

Sender::Answer Sender::post(const std::string& body) {
  auto* const handle = curl_->handle;
  if (auto why = authenticate(); !why.empty()) return {.text = std::move(why)};
  const bool expects_connection = curl_->connected && !curl_->closes;
  curl_->text.clear();
  curl_->closes = false;
  curl_->error[0] = '\0';
  set(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  set(handle, CURLOPT_POSTFIELDS, body.data());
  const auto code = ::curl_easy_perform(handle);
  long connects = 0, tunnel = 0;  // new ones; what a proxy has answered to CONNECT
  ::curl_easy_getinfo(handle, CURLINFO_NUM_CONNECTS, &connects);
  ::curl_easy_getinfo(handle, CURLINFO_HTTP_CONNECTCODE, &tunnel);
  Answer out{.reconnected = expects_connection && connects > 0};
  curl_->connected = code == CURLE_OK;
  if (code != CURLE_OK) {
    out.text = settings_.url + ": " + as_line(curl_->error[0] ? curl_->error : ::curl_easy_strerror(code));
    if (!settings_.proxy.empty()) out.text += " (proxy " + shown_proxy(settings_.proxy) + ")";
    if (tunnel == 0 || tunnel == 200) out.text += advice(settings_, code, connects > 0);
    return out;
  }
  ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &out.status);
  curl_off_t seconds = 0;
  ::curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &seconds);
  out.retry_after = std::chrono::seconds(seconds);
  long version = 0;
  ::curl_easy_getinfo(handle, CURLINFO_HTTP_VERSION, &version);
  if (version == CURL_HTTP_VERSION_1_0) curl_->closes = true;  // as it does without saying so
  out.text = as_line(curl_->text);
  return out;
}

}  // namespace ringdown
