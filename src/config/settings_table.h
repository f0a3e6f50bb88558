// THE table of settings. The file, the flags, --help, the manual, docs/SETTINGS.md, the example and the admin's reply
// are all made from it; a setting exists when it has a row here.
//
// To add one: a field in settings.h, a row in settings_table.cc within its section; then let `ringmaster --example`
// and `ringmaster --manual-markdown` rewrite ringmaster.toml and docs/SETTINGS.md (a test holds them equal).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "config/value.h"

namespace ringmaster::config {

template <class Owner>
struct Stored {
  Shape shape;
  Value (*get)(const Shape& shape, const Owner& owner);
  void (*set)(const Shape& shape, Owner& owner, const Value& value);   // a value that judge() has passed
};
using Setting = Stored<Settings>;
using ReplicaColumn = Stored<StaticReplica>;   // of [[replicas.static]]; keys without the prefix

struct Section {
  std::string_view name;   // "timeouts"
  std::string_view text;
};

std::span<const Section> sections();
std::span<const Setting> settings_table();  // the settings of a section stand together, in order of sections()
std::span<const ReplicaColumn> replica_columns();

// Index into settings_table().
std::optional<size_t> find_setting(std::string_view key);

// "timeouts" of "timeouts.connect", and "connect".
constexpr std::string_view section_of(std::string_view key) { return key.substr(0, key.find('.')); }
constexpr std::string_view last_part(std::string_view key) { return key.substr(key.rfind('.') + 1); }

// The most fields that a head may have; http::fields_max is the same number.
inline constexpr int64_t header_count_max = 1024;
// balance::slots_max is the same number.
inline constexpr int64_t slots_max = 256 * 1024;
// A head is rebuilt in one buffer of a worker; proxy/parts.h holds these against its size.
inline constexpr int64_t request_line_bytes_max = 32 * 1024;
inline constexpr int64_t header_bytes_max = 64 * 1024;

}  // namespace ringmaster::config
