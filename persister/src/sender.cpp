#include "sender.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <optional>

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
  set_path(CURLOPT_CAINFO, settings_.ca_file);
  set_path(CURLOPT_SSLCERT, settings_.cert_file);
  set_path(CURLOPT_SSLKEY, settings_.key_file);
  set_path(CURLOPT_PROXY, settings_.proxy);
}

Sender::~Sender() = default;

/// @return why it cannot, else empty
std::string Sender::authenticate() {
  auto* const handle = curl_->handle;
  const auto& file = settings_.bearer_file.empty() ? settings_.password_file : settings_.bearer_file;
  const auto secret = file.empty() ? std::string() : read_secret(file);
  if (!secret) return "read " + file + ": " + std::strerror(errno);
  if (!settings_.bearer_file.empty()) {
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
  long connects = 0;
  ::curl_easy_getinfo(handle, CURLINFO_NUM_CONNECTS, &connects);
  Answer out{.reconnected = expects_connection && connects > 0};
  curl_->connected = code == CURLE_OK;
  if (code != CURLE_OK) {
    out.text = curl_->error[0] ? curl_->error : ::curl_easy_strerror(code);
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
