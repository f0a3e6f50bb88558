// Names of replicas. A name is at once a container's name and a DNS label, so that every runtime can use it as it is.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>

namespace ringmaster::admin {

inline constexpr size_t name_bytes_max = 63;  // RFC 1035 section 2.3.4: a label

// [a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?
bool valid_name(std::string_view name) noexcept;

// Makes names that nobody has chosen: "r-" and eight of [a-z0-9].
class NameMaker {
 public:
  NameMaker() : engine_(std::random_device{}()) {}
  explicit NameMaker(uint64_t seed) : engine_(seed) {}

  // A valid name for which `taken` says false.
  std::string make(const std::function<bool(std::string_view)>& taken);
  // Uniform in [0, count); count > 0.
  size_t below(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(engine_); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace ringmaster::admin
