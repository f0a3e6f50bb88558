// What an unknown key may have been meant to be.

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "config/draft.h"

namespace ringmaster::config {

namespace {

constexpr size_t key_bytes_max = 64;

// Optimal string alignment (Levenshtein with swaps of neighbours), by full rows: keys are short.
size_t distance(std::string_view a, std::string_view b) {
  std::array<std::array<size_t, key_bytes_max + 1>, key_bytes_max + 1> d;
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

// The nearest of the candidates, where one is near enough to be a slip of the hand.
std::optional<std::string_view> nearest(std::string_view key, std::span<const std::string_view> candidates) {
  if (key.size() > key_bytes_max) return std::nullopt;
  size_t best = std::max<size_t>(2, key.size() / 4) + 1;
  std::optional<std::string_view> found;
  for (const std::string_view candidate : candidates) {
    const size_t d = distance(key, candidate);
    if (d < best) {
      best = d;
      found = candidate;
    }
  }
  return found;
}

// The right name in the wrong section.
std::optional<std::string_view> elsewhere(std::string_view key) {
  for (const Setting& setting : settings_table()) {
    if (last_part(setting.shape.key) == last_part(key)) return setting.shape.key;
  }
  return std::nullopt;
}

std::string joined(std::span<const std::string_view> names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::string shown_key(std::string_view key) {
  const bool plain = !key.empty() && key.size() <= key_bytes_max &&
                     std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F && c != '"'; });
  return plain ? std::string(key) : quoted_short(key);
}

std::string unknown_text(std::string_view key, std::string_view prefix) {
  const std::string_view section = section_of(key);
  std::vector<std::string_view> names, settings, here;
  for (const Section& row : sections()) names.push_back(row.name);
  for (const Setting& setting : settings_table()) {
    settings.push_back(setting.shape.key);
    if (section_of(setting.shape.key) == section) here.push_back(last_part(setting.shape.key));
  }
  const bool dotted = key.find('.') != std::string_view::npos;
  std::optional<std::string_view> meant = nearest(key, dotted ? settings : names);
  if (!meant) meant = elsewhere(key);
  if (meant) return fmt::format("no such setting; did you mean {}{}?", prefix, *meant);
  if (!here.empty()) return fmt::format("no such setting; allowed in [{}]: {}", section, joined(here));
  return fmt::format("no such setting; allowed: the sections {}", joined(names));
}

std::string unknown_column_text(std::string_view column) {
  std::vector<std::string_view> names;
  for (const ReplicaColumn& row : replica_columns()) names.push_back(row.shape.key);
  if (const auto meant = nearest(column, names)) {
    return fmt::format("no such setting; did you mean replicas.static.{}?", *meant);
  }
  return fmt::format("no such setting; allowed in [[replicas.static]]: {}", joined(names));
}

}  // namespace ringmaster::config
