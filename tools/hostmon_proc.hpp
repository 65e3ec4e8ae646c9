// hostmon_proc.hpp: what ring-hostmon reads in /proc and /sys.
// Each class opens its files and defines its series once; sample() reads again and allocates nothing. A
// number that is not there, or not in the form that proc(5) describes, gives no sample.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "hostmon_cycle.hpp"
#include "hostmon_descriptor.hpp"

namespace hostmon {

inline constexpr std::size_t long_file_bytes = 256 << 10;  // holds hundreds of CPUs, interfaces or disks

/// A text file of the kernel, opened once and read again every cycle.
class File {
 public:
  explicit File(const std::string& path, std::size_t bytes_max = 4096)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), text_(bytes_max) {}

  /// Its whole lines, none if the file is not there. Valid until the next read.
  std::string_view read() noexcept {
    std::size_t used = 0;
    for (ssize_t size; used < text_.size(); used += static_cast<std::size_t>(size)) {
      size = ::pread(*descriptor_, text_.data() + used, text_.size() - used, static_cast<off_t>(used));
      if (size <= 0) break;
    }
    const std::string_view text(text_.data(), used);
    return text.substr(0, text.rfind('\n') + 1);
  }

 private:
  Descriptor descriptor_;
  std::vector<char> text_;
};

template <class Visit>
void for_each_line(std::string_view text, Visit&& visit) {
  for (std::size_t end; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1))
    visit(text.substr(0, end));
}

inline void skip_spaces(std::string_view& line) noexcept {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
}

inline std::string_view take_word(std::string_view& line, char delimiter = ' ') noexcept {
  skip_spaces(line);
  const auto word = line.substr(0, line.find(delimiter));
  line.remove_prefix(std::min(word.size() + 1, line.size()));
  return word;
}

template <class Number>
bool take(std::string_view& line, Number& number) noexcept {
  skip_spaces(line);
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  return error == std::errc{};
}

template <std::size_t size>
bool take(std::string_view& line, std::array<std::uint64_t, size>& numbers) noexcept {
  return std::all_of(numbers.begin(), numbers.end(), [&](auto& number) { return take(line, number); });
}

/// A line of a key and a number in `unit`.
struct KeyedLine {
  std::string_view key;
  ring::Series series;
  std::uint64_t unit = 1;
};

inline void add_keyed(Cycle& cycle, const std::array<KeyedLine, 4>& lines, std::string_view key,
                      std::string_view rest) {
  const auto is_it = [&](const auto& line) { return line.key == key; };
  const auto found = std::find_if(lines.begin(), lines.end(), is_it);
  std::uint64_t number = 0;
  if (found != lines.end() && take(rest, number)) cycle.add(found->series, number * found->unit);
}

/// How one CPU spends its time. The kernel counts in ticks of 10 ms; 20 of them make a sample.
class Cpu {
 public:
  Cpu(ring::Producer& producer, std::size_t index) {
    for (std::size_t m = 0; m < modes.size(); ++m)
      series_[m] = producer.gauge("hostmon_cpu_fraction",
                                  {{"cpu", std::to_string(index)}, {"mode", modes[m].name}}, "fraction");
  }
  void sample(Cycle& cycle, std::string_view line) {
    Ticks now;
    if (!take(line, now)) return;
    const auto passed = sum(now) - sum(before_);
    if (passed >= 0 && passed < ticks_min) return;
    if (passed > 0 && sum(before_) > 0) add_fractions(cycle, now, passed);
    before_ = now;
  }

 private:
  using Ticks = std::array<std::uint64_t, 8>;  // user nice system idle iowait irq softirq steal
  struct Mode {
    const char* name;
    std::size_t column;
  };
  static constexpr std::array modes{Mode{"user", 0},   Mode{"nice", 1},    Mode{"system", 2},
                                    Mode{"iowait", 4}, Mode{"softirq", 6}, Mode{"steal", 7}};
  static constexpr double ticks_min = 20;

  static double sum(const Ticks& ticks) noexcept {
    double total = 0;
    for (const auto count : ticks) total += static_cast<double>(count);
    return total;
  }
  void add_fractions(Cycle& cycle, const Ticks& now, double passed) const {
    for (std::size_t m = 0; m < modes.size(); ++m) {
      const auto to = now[modes[m].column];
      const auto from = std::min(before_[modes[m].column], to);  // iowait can go back a little
      cycle.add(series_[m], static_cast<double>(to - from) / passed);
    }
  }

  std::array<ring::Series, modes.size()> series_;
  Ticks before_{};
};

class Stat {
 public:
  explicit Stat(ring::Producer& producer)
      : keyed_{
            {{"ctxt", producer.counter("hostmon_context_switches_total", {}, "switches")},
             {"processes", producer.counter("hostmon_forks_total", {}, "forks")},
             {"procs_running", producer.gauge("hostmon_processes", {{"state", "running"}}, "processes")},
             {"procs_blocked", producer.gauge("hostmon_processes", {{"state", "blocked"}}, "processes")}}} {
    const auto there = static_cast<std::size_t>(std::max(::sysconf(_SC_NPROCESSORS_CONF), 1L));
    for (std::size_t i = 0; i < std::min(there, cpus_max); ++i) cpus_.emplace_back(producer, i);
  }
  void sample(Cycle& cycle) {
    for_each_line(file_.read(), [&](std::string_view line) {
      auto key = take_word(line);
      if (!key.starts_with("cpu")) return add_keyed(cycle, keyed_, key, line);
      key.remove_prefix(3);
      std::size_t index = 0;
      if (take(key, index) && index < cpus_.size()) cpus_[index].sample(cycle, line);
    });
  }

 private:
  File file_{"/proc/stat", long_file_bytes};
  std::array<KeyedLine, 4> keyed_;
  std::vector<Cpu> cpus_;
};

class LoadAverage {
 public:
  explicit LoadAverage(ring::Producer& producer) {
    for (const char* minutes : {"1", "5", "15"})
      series_.push_back(producer.gauge("hostmon_load_average", {{"minutes", minutes}}, "processes"));
  }
  void sample(Cycle& cycle) {
    auto text = file_.read();
    double load = 0;
    for (const auto series : series_)
      if (take(text, load)) cycle.add(series, load);
  }

 private:
  File file_{"/proc/loadavg"};
  std::vector<ring::Series> series_;
};

class Memory {
 public:
  explicit Memory(ring::Producer& producer)
      : keyed_{{{"MemAvailable:", producer.gauge("hostmon_memory_available_bytes", {}, "bytes"), 1024},
                {"MemFree:", producer.gauge("hostmon_memory_free_bytes", {}, "bytes"), 1024},
                {"Cached:", producer.gauge("hostmon_memory_cached_bytes", {}, "bytes"), 1024},
                {"Dirty:", producer.gauge("hostmon_memory_dirty_bytes", {}, "bytes"), 1024}}} {}
  void sample(Cycle& cycle) {
    for_each_line(file_.read(), [&](std::string_view line) {
      const auto key = take_word(line);
      add_keyed(cycle, keyed_, key, line);
    });
  }

 private:
  File file_{"/proc/meminfo", 16384};
  std::array<KeyedLine, 4> keyed_;
};

/// The share of the last 10 s in which some process waited for a resource, on kernels that tell (CONFIG_PSI).
/// The wait for a CPU gives the load state.
class Pressure {
 public:
  explicit Pressure(ring::Producer& producer) {
    for (const std::string resource : {"cpu", "memory", "io"}) {
      File file("/proc/pressure/" + resource);
      if (file.read().empty()) continue;
      const bool is_cpu = resource == "cpu";
      if (is_cpu) load_state_ = producer.state("hostmon_load_state", {}, {"CALM", "BUSY", "STRAINED"});
      const auto fraction = producer.gauge("hostmon_pressure_fraction", {{"resource", resource}}, "fraction");
      resources_.push_back({fraction, is_cpu, std::move(file)});
    }
  }
  void sample(Cycle& cycle) {
    for (auto& resource : resources_) {
      auto text = resource.file.read();  // some avg10=0.12 avg60=...
      double percent = 0;
      take_word(text, '=');
      if (!take(text, percent)) continue;
      cycle.add(resource.fraction, percent / 100);
      if (resource.is_cpu) cycle.add(load_state_, (percent >= busy_percent) + (percent >= strained_percent));
    }
  }

 private:
  static constexpr double busy_percent = 10, strained_percent = 50;
  struct Resource {
    ring::Series fraction;
    bool is_cpu;
    File file;
  };
  std::vector<Resource> resources_;
  ring::Series load_state_;
};

/// All interfaces but lo, where the probe would see itself.
class Network {
 public:
  explicit Network(ring::Producer& producer) {
    for_each_line(counters_.read(), [&](std::string_view line) {
      const std::string name(take_word(line, ':'));
      const bool is_heading = line.empty();
      if (is_heading || name == "lo" || interfaces_.size() == interfaces_max) return;
      interfaces_.emplace_back(producer, name);
    });
  }
  void sample(Cycle& cycle) {
    for_each_line(counters_.read(), [&](std::string_view line) {
      const auto name = take_word(line, ':');
      for (const auto& interface : interfaces_)
        if (interface.name == name) interface.sample_counters(cycle, line);
    });
    for (auto& interface : interfaces_) interface.sample_state(cycle);
  }

 private:
  struct Interface {
    Interface(ring::Producer& producer, const std::string& called)
        : name(called), operstate("/sys/class/net/" + called + "/operstate") {
      const ring::Labels receive{{"interface", name}, {"direction", "receive"}};
      const ring::Labels transmit{{"interface", name}, {"direction", "transmit"}};
      received_bytes = producer.counter("hostmon_network_bytes_total", receive, "bytes");
      received_packets = producer.counter("hostmon_network_packets_total", receive, "packets");
      sent_bytes = producer.counter("hostmon_network_bytes_total", transmit, "bytes");
      sent_packets = producer.counter("hostmon_network_packets_total", transmit, "packets");
      state = producer.state("hostmon_network_state", {{"interface", name}}, {"DOWN", "UP", "UNKNOWN"});
    }
    void sample_counters(Cycle& cycle, std::string_view line) const {
      std::array<std::uint64_t, 10> numbers;  // received: bytes, packets and six more; sent: bytes, packets
      if (!take(line, numbers)) return;
      cycle.add(received_bytes, numbers[0]);
      cycle.add(received_packets, numbers[1]);
      cycle.add(sent_bytes, numbers[8]);
      cycle.add(sent_packets, numbers[9]);
    }
    void sample_state(Cycle& cycle) {
      const auto text = operstate.read();
      if (!text.empty()) cycle.add(state, text == "up\n" ? 1 : text == "unknown\n" ? 2 : 0);
    }

    std::string name;
    File operstate;
    ring::Series received_bytes, received_packets, sent_bytes, sent_packets, state;
  };

  File counters_{"/proc/net/dev", long_file_bytes};
  std::vector<Interface> interfaces_;
};

/// Whole disks: what has a device behind it, so no partition, loop, RAM disk or device mapper.
class Disks {
 public:
  explicit Disks(ring::Producer& producer) {
    for_each_line(file_.read(), [&](std::string_view line) {
      const std::string name(take_name(line));
      if (disks_.size() == disks_max || ::access(("/sys/block/" + name + "/device").c_str(), F_OK) != 0)
        return;
      const auto counter = [&](const char* direction) {
        return producer.counter("hostmon_disk_bytes_total", {{"disk", name}, {"direction", direction}},
                                "bytes");
      };
      disks_.push_back({name, counter("read"), counter("write")});
    });
  }
  void sample(Cycle& cycle) {
    for_each_line(file_.read(), [&](std::string_view line) {
      const auto name = take_name(line);
      const auto is_it = [&](const auto& disk) { return disk.name == name; };
      const auto disk = std::find_if(disks_.begin(), disks_.end(), is_it);
      std::array<std::uint64_t, 7> numbers;  // read: requests, merged, sectors, ms; written: the same
      if (disk == disks_.end() || !take(line, numbers)) return;
      cycle.add(disk->read, numbers[2] * sector_bytes);
      cycle.add(disk->written, numbers[6] * sector_bytes);
    });
  }

 private:
  static constexpr std::uint64_t sector_bytes = 512;  // in this file, whatever the disk's own
  struct Disk {
    std::string name;
    ring::Series read, written;
  };
  static std::string_view take_name(std::string_view& line) noexcept {
    take_word(line);  // major and
    take_word(line);  // minor number
    return take_word(line);
  }

  File file_{"/proc/diskstats", long_file_bytes};
  std::vector<Disk> disks_;
};

}  // namespace hostmon
