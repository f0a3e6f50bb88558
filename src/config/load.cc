#include "config/load.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include <fmt/format.h>

#include "base/fd.h"
#include "config/draft.h"

namespace ringmaster::config {

namespace {

Result<std::string> read_whole(const std::string& file_name) {
  const Fd file(::open(file_name.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::unexpected(Error::from_errno(errno, "cannot be opened"));
  std::string text(file_bytes_max + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = ::read(file.get(), text.data() + size, text.size() - size);
    if (n == 0) break;
    if (n > 0) size += static_cast<size_t>(n);
    else if (errno != EINTR) return std::unexpected(Error::from_errno(errno, "cannot be read"));
  }
  text.resize(size);
  return text;
}

}  // namespace

std::string_view name_of(Source source) {
  switch (source) {
    case Source::standard: return "default";
    case Source::file: return "file";
    case Source::flag: return "flag";
  }
  return "";
}

ExitCode exit_code_of(std::span<const Problem> problems) {
  const bool only_flags = std::all_of(problems.begin(), problems.end(), [](const Problem& p) { return p.from_flag; });
  return only_flags ? ExitCode::usage : ExitCode::configuration;
}

LoadResult parse_text(std::string_view text, std::string_view file_name, std::span<const Flag> flags) {
  Draft draft(file_name);
  read_file(text, draft);
  apply_flags(flags, draft);
  return std::move(draft).finish();
}

LoadResult load(const std::optional<std::string>& file_name, std::span<const Flag> flags) {
  if (!file_name) return parse_text("", "", flags);
  const Result<std::string> text = read_whole(*file_name);
  if (text) return parse_text(*text, *file_name, flags);
  Draft draft(*file_name);
  draft.refuse({Source::file}, "", to_string(text.error()));
  apply_flags(flags, draft);
  return std::move(draft).finish();
}

Settings default_settings() {
  Settings settings;
  for (const Setting& row : settings_table()) row.set(row.shape, settings, default_value(row.shape));
  return settings;
}

// --- Draft ---------------------------------------------------------------------------------------------------------

Draft::Draft(std::string_view file_name) : file_name_(file_name), places_(settings_table().size()) {
  loaded_.settings = default_settings();
  loaded_.sources.assign(places_.size(), Source::standard);
  loaded_.file_name = file_name_;
}

void Draft::put(size_t setting, const Value& value, Place place) {
  const Setting& row = settings_table()[setting];
  row.set(row.shape, loaded_.settings, value);
  loaded_.sources[setting] = place.source;
  places_[setting] = place;
}

void Draft::refuse(Place place, std::string_view key, std::string_view what) {
  std::string text;
  if (place.source == Source::flag) text = fmt::format("--{}: ", shown_key(key));
  else if (place.line == 0) text = fmt::format("{}: ", file_name_);
  else text = fmt::format("{}:{}:{}: ", file_name_, place.line, place.column);
  if (place.source != Source::flag && !key.empty()) text += shown_key(key) + ": ";
  noted_.push_back({place, noted_.size(), text.append(what)});
}

void Draft::refuse_value(Place place, std::string_view key, std::string_view found, std::string_view allowed) {
  refuse(place, key, fmt::format("found {}; allowed: {}", found, allowed));
}

void Draft::check_relations() {
  for (const Breach& breach : breaches(loaded_.settings)) {
    // The place to show is where somebody last decided something that takes part: a flag before the file.
    std::string_view by;
    Place place;
    for (const std::string_view key : breach.keys) {
      const Place candidate = places_[*find_setting(key)];
      if (candidate.source <= place.source) continue;
      place = candidate;
      by = key;
    }
    if (place.source == Source::flag && by != breach.keys.front()) {
      refuse(place, by, fmt::format("{}: {}", breach.keys.front(), breach.what));
    } else {
      refuse(place, breach.keys.front(), breach.what);
    }
  }
}

LoadResult Draft::finish() && {
  if (noted_.empty()) check_relations();
  if (noted_.empty()) return std::move(loaded_);
  std::ranges::sort(noted_, {}, [](const Noted& noted) {
    return std::tuple(noted.place.source, noted.place.line, noted.place.column, noted.number);
  });
  std::vector<Problem> problems;
  for (Noted& noted : noted_) problems.push_back({std::move(noted.text), noted.place.source == Source::flag});
  return std::unexpected(std::move(problems));
}

}  // namespace ringmaster::config
