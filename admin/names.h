// Names of replicas: what the engine takes for a container's name, so that every runtime can use it as it is, and short
// enough for one label of the engine's DNS, where it is the container's alias.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>

namespace ringmaster::admin {

inline constexpr size_t name_bytes_max = 63;  // RFC 1035 section 2.3.4: a label

// What valid_name() allows, for those who have been refused.
inline constexpr std::string_view name_form =
    "1 to 63 letters, digits and '_', '.' or '-', a letter or digit first";

// [a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}: the same as of a static replica in the settings.
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
