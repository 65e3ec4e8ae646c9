// hostmon_descriptor.hpp: a file descriptor that is closed with its owner.
#pragma once

#include <unistd.h>

#include <utility>

namespace hostmon {

class Descriptor {
 public:
  explicit Descriptor(int number = -1) noexcept : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    Descriptor(std::move(other)).swap(*this);
    return *this;
  }
  explicit operator bool() const noexcept { return number_ >= 0; }
  int operator*() const noexcept { return number_; }

 private:
  void swap(Descriptor& other) noexcept { std::swap(number_, other.number_); }

  int number_;
};

}  // namespace hostmon
