#include "http/key.h"

#include <charconv>

#include "http/chars.h"

namespace ringmaster::http {
namespace {

using Kind = KeySource::Kind;

struct KindName {
  Kind kind;
  std::string_view name;
  bool takes_argument;
};
constexpr KindName kind_names[] = {
    {Kind::query, "query", true},   {Kind::header, "header", true},
    {Kind::cookie, "cookie", true}, {Kind::path, "path", false},
    {Kind::path_segment, "path_segment", true},
    {Kind::uri, "uri", false},      {Kind::host, "host", false},
    {Kind::client_ip, "client_ip", false},
    {Kind::random, "random", false},
};

// Visits the parts between separators until visit says true.
template <class Visit>
void find_part(std::string_view text, char separator, Visit visit) noexcept {
  for (;;) {
    const size_t end = text.find(separator);
    if (visit(text.substr(0, end)) || end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

// The value of `name=value`; false where `pair` is about another name.
bool value_of(std::string_view pair, std::string_view name, std::string_view& value) noexcept {
  if (!pair.starts_with(name)) return false;
  if (pair.size() > name.size() && pair[name.size()] != '=') return false;
  value = pair.size() > name.size() ? pair.substr(name.size() + 1) : std::string_view();
  return true;
}

std::string_view find_query(std::string_view query, std::string_view name) noexcept {
  std::string_view value;
  find_part(query, '&', [&](std::string_view pair) { return value_of(pair, name, value); });
  return value;
}

std::string_view find_segment(std::string_view path, uint32_t number) noexcept {
  if (!path.starts_with('/')) return {};
  std::string_view found;
  uint32_t i = 0;
  find_part(path.substr(1), '/', [&](std::string_view segment) {
    if (++i == number) found = segment;
    return i == number;
  });
  return found;
}

std::string_view find_header(std::span<const Field> fields, std::string_view name) noexcept {
  const Field* const field = find_field(fields, name);
  return field == nullptr ? std::string_view() : field->value;
}

std::string_view find_bytes(const RequestHead& head, std::string_view client_ip, const KeySource& source) noexcept {
  switch (source.kind) {
    case Kind::query: return find_query(head.query, source.name);
    case Kind::header: return find_header(head.fields, source.name);
    case Kind::cookie: return find_cookie(head.fields, source.name);
    case Kind::path: return head.path;
    case Kind::path_segment: return find_segment(head.path, source.segment);
    case Kind::uri: return head.target;
    case Kind::host: return head.host;
    case Kind::client_ip: return client_ip;
    case Kind::random: break;
  }
  return {};
}

}  // namespace

Result<KeySource> KeySource::parse(std::string_view text) {
  const std::unexpected<Error> malformed(Error{ErrorKind::malformed, 0, "key source"});
  const size_t colon = text.find(':');
  const std::string_view argument = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  for (const KindName& known : kind_names) {
    if (text.substr(0, colon) != known.name) continue;
    if (known.takes_argument != (colon != std::string_view::npos)) return malformed;
    KeySource source{.kind = known.kind};
    if (known.kind == Kind::path_segment) {
      const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), source.segment);
      if (error != std::errc() || end != argument.data() + argument.size() || source.segment == 0) return malformed;
    } else if (known.kind == Kind::query) {
      if (argument.empty() || argument.find_first_of("&=# \t\r\n") != std::string_view::npos) return malformed;
      source.name = argument;
    } else if (known.takes_argument) {
      if (!is_token(argument)) return malformed;
      source.name = argument;
    }
    return source;
  }
  return malformed;
}

std::string KeySource::text() const {
  for (const KindName& known : kind_names) {
    if (known.kind != kind) continue;
    std::string text(known.name);
    if (known.takes_argument) text += ':' + (kind == Kind::path_segment ? std::to_string(segment) : name);
    return text;
  }
  return {};
}

std::string_view find_cookie(std::span<const Field> fields, std::string_view name) noexcept {
  std::string_view value;
  for (const Field& field : fields) {
    if (field.id != FieldId::cookie) continue;
    bool found = false;
    find_part(field.value, ';', [&](std::string_view pair) { return found = value_of(trim(pair), name, value); });
    if (found) break;
  }
  return value;
}

RequestKey find_key(const RequestHead& head, std::string_view client_ip, std::span<const KeySource> sources) noexcept {
  for (size_t i = 0; i < sources.size() && i < RequestKey::no_source; ++i) {
    const auto index = static_cast<uint16_t>(i);
    if (sources[i].kind == Kind::random) return {.bytes = {}, .source = index, .random = true};
    const std::string_view bytes = find_bytes(head, client_ip, sources[i]);
    if (!bytes.empty()) return {.bytes = bytes, .source = index, .random = false};
  }
  return {};
}

}  // namespace ringmaster::http
