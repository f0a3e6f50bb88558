#include "admin/names.h"

namespace ringmaster::admin {

namespace {

// Not isalnum(): a name must not depend on the locale.
bool letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool valid_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > name_bytes_max) return false;
  if (!letter_or_digit(name.front())) return false;
  for (const char c : name) {
    if (!letter_or_digit(c) && c != '_' && c != '.' && c != '-') return false;
  }
  return true;
}

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
