// Where a request goes, and why: the same for the API (of the table in force) and for the command line (of a file,
// without a running proxy). Pure.
//
// The request is built as a head and read by the proxy's own parser (http/head.h), the key is found by http/key.h, a
// sticky cookie is read by proxy/sticky.h, and all is looked up in balance/table.h as a worker does it: so the answer
// is the proxy's, not a second opinion. What follows from the state of the replicas is judgement.h's.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "balance/table.h"
#include "config/settings.h"
#include "proxy/sticky.h"

namespace ringmaster::admin {

struct Question {
  std::optional<std::string> key;      // the key itself; the others are not looked at then
  std::string url = "/";               // origin-form, or absolute: then it names the host
  std::vector<std::string> headers;    // "Name: value", in order
  std::string client_ip = "127.0.0.1"; // the connection's, for client_ip; a trusted proxy's X-Forwarded-For counts
};

// What a request's sticky cookie says.
enum class Sticky : uint8_t {
  absent,     // it has none
  believed,   // it names a replica of the table, which comes before all others
  departed,   // signed, but there is no such replica (any more): the key decides, the answer sets a new one
  not_ours,   // no such form, or not signed by this secret: the same
  unknown,    // the secret is a running ringmaster's, who drew it
};
std::string_view name_of(Sticky sticky) noexcept;

struct Explanation {
  // "query:request_id"; "given"; "random": each such request draws a number; "round_robin" and the other policies:
  // no key decides.
  std::string source;
  std::string key;                     // raw bytes; empty for random, and nothing of what follows is filled in
  bool random = false;                 // by chance, or by a policy: the next such request may go elsewhere
  uint64_t hash = 0;                   // see Table::hash_of()
  uint32_t slot = 0;
  std::optional<std::string> owner;    // none: the table has no replica
  std::vector<std::string> fallbacks;  // in order
  std::optional<Sticky> sticky;        // none: routing.sticky_cookie is not set, or the key was given
  std::string sticky_replica;          // believed, departed: whom it names
};

// false: routing.table is a policy (balance/policy.h), and no key has a home.
bool routes_by_key(const config::Settings& settings);

// The error is a whole sentence for who asked: a request that the proxy would refuse, and how. `cookies`: nullptr where
// the secret is not known.
std::expected<Explanation, std::string> explain(const Question& question, const config::Settings& settings,
                                                const balance::Table& table, const proxy::StickyCookies* cookies);

// ?key=…, or url=, header= (as often as wanted) and client=, each percent-encoded. A '+' is a '+'.
std::expected<Question, std::string> read_question(std::string_view query);

}  // namespace ringmaster::admin
