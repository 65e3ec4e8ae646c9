#include "remote_write_config.hpp"

#include <cctype>

#include "selector.hpp"
#include "units.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t lag_s_min = 60, lag_s_max = 365 * 86400;

bool is_line(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

bool is_destination(const std::string& text) {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-' || c == '.';
  });
}

bool is_url(const std::string& text) {
  const auto scheme = text.starts_with("http://") ? 7u : text.starts_with("https://") ? 8u : 0u;
  const auto host = text.substr(scheme, text.find('/', scheme) - scheme);
  return scheme > 0 && is_line(text) && !host.empty() && host.find('@') == host.npos;  // a password would be shown
}

/// One that curl sends, and that is not what the format of a request needs.
bool is_header(const std::string& name) {
  std::string lower;
  for (const char c : name) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const bool is_ours = lower == "content-encoding" || lower == "content-type" || lower == "content-length" ||
                       lower == "x-prometheus-remote-write-version";
  return !name.empty() && !is_ours && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '_';
  });
}

void read_select(Section& section, std::vector<std::string>& out) {
  const auto* const node = section.find("select");
  if (!node) return;
  const auto* const array = node->as_array();
  if (!array || array->empty())
    return section.expect(*node, "select", R"(selectors: ["rtt_ms{wan=\"a\"}", "{job=~\"plant.*\"}"])");
  out.clear();
  for (const auto& item : *array) {
    out.push_back(item.value_exact<std::string>().value_or(""));
    try {
      Selector check(out.back());
    } catch (const ring::Error& e) {
      section.refuse(item, "select", e.what());
    }
  }
}

void read_labels(Section& section, ring::Labels& out) {
  for (const auto& [key, node] : section.all()) {
    const std::string name(key.str());
    if (!ring::detail::is_name(name, false) || name.starts_with("__"))
      section.refuse(node, shown(name), "no label can have this name; expected letters, digits and _, not __ first");
    const auto value = section.take<std::string>(
        name, fmt::format("1 to {} bytes of text in quotes", ring::limits::label_value_bytes), [](const auto& text) {
          return !text.empty() && text.size() <= ring::limits::label_value_bytes && ring::detail::is_text(text);
        });
    if (value) out.emplace_back(name, *value);
  }
  std::sort(out.begin(), out.end());
}

void read_headers(Section& section, std::vector<std::pair<std::string, std::string>>& out) {
  for (const auto& [key, node] : section.all()) {
    const std::string name(key.str());
    if (!is_header(name))
      section.refuse(node, shown(name), "expected the name of a header that remote write does not set itself");
    const auto value = section.take<std::string>(name, "one line of text in quotes", is_line);
    if (value) out.emplace_back(name, *value);
  }
}

void read_credentials(Section& section, RemoteWriteSettings& out) {
  const auto file = [&](const std::string& key, std::string& path) {
    path = section.take<std::string>(key, "the path of a file in quotes", is_line).value_or("");
  };
  file("bearer_file", out.bearer_file);
  out.user = section.take<std::string>("user", "a name in quotes, without a colon", [](const auto& text) {
    return is_line(text) && text.find(':') == text.npos;
  }).value_or("");
  file("password_file", out.password_file);
  file("ca_file", out.ca_file);
  file("cert_file", out.cert_file);
  file("key_file", out.key_file);
  if (!out.bearer_file.empty() && !out.user.empty())
    section.expect(*section.find("bearer_file"), "bearer_file", "nothing beside user; remove one of the two");
  if (out.user.empty() && !out.password_file.empty())
    section.expect(*section.find("password_file"), "password_file", "a user beside it; add user or remove it");
  if (out.cert_file.empty() && !out.key_file.empty())
    section.expect(*section.find("key_file"), "key_file", "a cert_file beside it; add that or remove it");
}

RemoteWriteSettings read_destination(Section& section) {
  static const std::vector<std::string> tiers{"raw", "1m", "5m", "1h"};
  RemoteWriteSettings out;
  out.name = section.take<std::string>("name", "1 to 63 letters, digits, _, - or . in quotes", is_destination).value_or("");
  out.url = section.take<std::string>("url", "a URL in quotes, without a password: \"http://localhost:8428/api/v1/write\"", is_url).value_or("");
  for (const auto* key : {"name", "url"})
    if (!section.find(key)) section.refuse_missing(key);
  read_select(section, out.select);
  section.table("labels", [&](Section& labels) { read_labels(labels, out.labels); });
  if (const auto tier = section.word("send", tiers))
    out.send = static_cast<Tier>(std::find(tier_names.begin(), tier_names.end(), *tier) - tier_names.begin());
  out.batch_samples = section.whole("batch_samples", 1, 1'000'000).value_or(out.batch_samples);
  out.samples_per_second = section.whole("samples_per_second", 0, 100'000'000).value_or(0);
  out.deadline = std::chrono::milliseconds(section.whole("deadline_ms", 10, 600'000).value_or(out.deadline.count()));
  out.rewind = std::chrono::seconds(section.whole("rewind_s", 0, 3600).value_or(out.rewind.count()));
  const auto is_lag = [](const std::string& text) {
    const auto ns = parse_duration_ns(text).value_or(0);
    return ns >= lag_s_min * second_ns && ns <= lag_s_max * second_ns;
  };
  const auto lag = section.take<std::string>("lag_max", "a duration in quotes from \"1m\" to \"365d\": \"24h\"", is_lag);
  if (lag) out.lag_max_s = *parse_duration_ns(*lag) / second_ns;
  read_credentials(section, out);
  section.table("headers", [&](Section& headers) { read_headers(headers, out.headers); });
  out.proxy = section.take<std::string>("proxy", "a URL in quotes: \"http://proxy:3128\"", is_line).value_or("");
  section.refuse_unknown();
  return out;
}

}  // namespace

std::vector<RemoteWriteSettings> read_remote_write(Section& top) {
  std::vector<RemoteWriteSettings> out;
  const auto* const node = top.find("remote_write");
  if (!node) return out;
  if (!node->is_array_of_tables()) {
    top.expect(*node, "remote_write", "tables, each headed [[remote_write]] in double brackets");
    return out;
  }
  for (const auto& item : *node->as_array()) {
    Section section(*item.as_table(), "remote_write[" + std::to_string(out.size() + 1) + "].", top.errors());
    auto destination = read_destination(section);
    const auto has_its_name = [&](const RemoteWriteSettings& other) { return other.name == destination.name; };
    if (!destination.name.empty() && std::any_of(out.begin(), out.end(), has_its_name))
      section.expect(*section.find("name"), "name", "a name that no other destination has");
    out.push_back(std::move(destination));
  }
  if (out.size() > destinations_max)
    top.refuse(*node, "remote_write", fmt::format("found {} destinations, expected at most {}", out.size(), destinations_max));
  return out;
}

}  // namespace ringdown
