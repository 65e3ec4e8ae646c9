#include "scrape.hpp"

#include <curl/curl.h>

#include <new>

#include "ring/error.hpp"

namespace ringdown {
namespace {

template <class... Value>
void set(CURL* handle, CURLoption option, Value... value) {
  if (const auto code = ::curl_easy_setopt(handle, option, value...); code != CURLE_OK)
    throw ring::Error(ring::Failure::system, std::string("set up libcurl: ") + ::curl_easy_strerror(code));
}

std::size_t append(char* data, std::size_t, std::size_t bytes, void* text) {
  auto& out = *static_cast<std::string*>(text);
  if (out.size() + bytes > Scraper::page_bytes_max) return 0;
  out.append(data, bytes);
  return bytes;
}

int ask_stop(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return *static_cast<const volatile std::sig_atomic_t*>(stop) != 0;
}

/// host:port of an HTTP URL, the port told even when it is the scheme's own.
std::string instance_of(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&::curl_url_cleanup)> parts(::curl_url(), &::curl_url_cleanup);
  if (!parts) throw std::bad_alloc();
  const auto part = [&](CURLUPart which) {
    char* text = nullptr;
    if (::curl_url_get(parts.get(), which, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return std::string();
    const std::unique_ptr<char, decltype(&::curl_free)> owner(text, &::curl_free);
    return std::string(text);
  };
  const bool is_url = ::curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) == CURLUE_OK;
  const auto scheme = is_url ? part(CURLUPART_SCHEME) : "";
  if (scheme != "http" && scheme != "https")
    throw ring::Error(ring::Failure::bad_argument, "--scrape \"" + url +
                                                       "\": expected http://HOST:PORT/PATH or https://, for example "
                                                       "http://localhost:9100/metrics");
  return part(CURLUPART_HOST) + ':' + part(CURLUPART_PORT);
}

}  // namespace

struct Scraper::Curl {
  CURL* handle = ::curl_easy_init();
  curl_slist* headers = nullptr;
  std::string text;
  char error[CURL_ERROR_SIZE] = {};

  ~Curl() {
    ::curl_slist_free_all(headers);
    ::curl_easy_cleanup(handle);
  }
};

Scraper::Scraper(const std::string& url, std::int64_t timeout_ms, const volatile std::sig_atomic_t& stop)
    : curl_(std::make_unique<Curl>()), instance_(instance_of(url)) {
  auto* const handle = curl_->handle;
  if (!handle) throw std::bad_alloc();
  // What is read here first, then what may come all the same.
  curl_->headers =
      ::curl_slist_append(nullptr, "Accept: text/plain;version=0.0.4, application/openmetrics-text;q=0.5, */*;q=0.1");
  if (!curl_->headers) throw std::bad_alloc();
  set(handle, CURLOPT_URL, url.c_str());
  set(handle, CURLOPT_HTTPHEADER, curl_->headers);
  set(handle, CURLOPT_USERAGENT, "ring-write");
  set(handle, CURLOPT_ACCEPT_ENCODING, "");  // every one that libcurl can undo
  set(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_FOLLOWLOCATION, 1L);
  set(handle, CURLOPT_MAXREDIRS, 10L);
  set(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_ERRORBUFFER, static_cast<char*>(curl_->error));
  set(handle, CURLOPT_WRITEFUNCTION, &append);
  set(handle, CURLOPT_WRITEDATA, static_cast<void*>(&curl_->text));
  set(handle, CURLOPT_NOPROGRESS, 0L);
  set(handle, CURLOPT_XFERINFOFUNCTION, &ask_stop);
  set(handle, CURLOPT_XFERINFODATA, const_cast<std::sig_atomic_t*>(&stop));
}

Scraper::~Scraper() = default;

Scraper::Page Scraper::get() {
  curl_->text.clear();
  curl_->error[0] = '\0';
  const auto code = ::curl_easy_perform(curl_->handle);
  if (code == CURLE_WRITE_ERROR)
    return {.error = "the page has more than " + std::to_string(page_bytes_max >> 20) + " MiB"};
  if (code != CURLE_OK) return {.error = curl_->error[0] ? curl_->error : ::curl_easy_strerror(code)};
  long status = 0;
  ::curl_easy_getinfo(curl_->handle, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return {.error = "found HTTP status " + std::to_string(status) + ", expected 200"};
  const char* type = nullptr;
  ::curl_easy_getinfo(curl_->handle, CURLINFO_CONTENT_TYPE, &type);
  return {std::move(curl_->text), type && std::string(type).starts_with("application/openmetrics-text"), {}};
}

}  // namespace ringdown
