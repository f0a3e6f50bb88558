// Settings in the making: where the readers of the file and of the flags put values and problems. Internal to config.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"

namespace ringmaster::config {

// Where something stood. In the file, from 1; line 0: the file as a whole.
struct Place {
  Source source = Source::standard;
  uint32_t line = 0, column = 0;
};

class Draft {
 public:
  explicit Draft(std::string_view file_name);

  // A value that judge() has passed. Later ones replace earlier ones.
  void put(size_t setting, const Value& value, Place place);
  // `key` may be empty: then the problem is the place's own.
  void refuse(Place place, std::string_view key, std::string_view what);
  void refuse_value(Place place, std::string_view key, std::string_view found, std::string_view allowed);
  // Checks the relations between settings where all values are good.
  LoadResult finish() &&;

 private:
  struct Noted {
    Place place;
    size_t number;   // in order of finding, for those of one place
    std::string text;
  };
  void check_relations();

  Loaded loaded_;
  std::string file_name_;
  std::vector<Place> places_;
  std::vector<Noted> noted_;
};

// A relation between settings that does not hold.
struct Breach {
  std::vector<std::string_view> keys;   // that take part; the first is the one to mend
  std::string what;
};
std::vector<Breach> breaches(const Settings& settings);

void read_file(std::string_view text, Draft& draft);
void apply_flags(std::span<const Flag> flags, Draft& draft);

// Whether a name is already in the list.
bool has_name(std::span<const StaticReplica> replicas, std::string_view name);
// The replica's columns at their defaults.
StaticReplica default_replica();

// A key for a message: as it is where it is plain, else quoted and cut.
std::string shown_key(std::string_view key);
// "no such setting; did you mean timeouts.connect?", or what there is instead. Of a setting's or section's key.
std::string unknown_text(std::string_view key, std::string_view prefix = "");
std::string unknown_column_text(std::string_view column);

}  // namespace ringmaster::config
