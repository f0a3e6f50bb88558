#include "admin/names.h"

#include "config/forms.h"

namespace ringmaster::admin {

bool valid_name(std::string_view name) noexcept { return config::is_replica_name(name); }

std::string NameMaker::make(const std::function<bool(std::string_view)>& taken) {
  static constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string name;
  do {
    name = "r-";
    for (int i = 0; i < 8; ++i) name += letters[below(letters.size())];
  } while (taken(name));
  return name;
}

}  // namespace ringmaster::admin
