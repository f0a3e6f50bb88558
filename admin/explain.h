// Where a request goes, and why: the same for the API (of the table in force) and for the command line (of a file,
// without a running proxy). Pure.
//
// The request is built as a head and read by the proxy's own parser (http/head.h), the key is found by http/key.h and
// looked up in balance/table.h, all as a worker does it: so the answer is the proxy's, not a second opinion.
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

namespace ringmaster::admin {

struct Question {
  std::optional<std::string> key;      // the key itself; the others are not looked at then
  std::string url = "/";               // origin-form, or absolute: then it names the host
  std::vector<std::string> headers;    // "Name: value", in order
  std::string client_ip = "127.0.0.1"; // the connection's, for client_ip
};

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
};

// false: routing.table is a policy (balance/policy.h), and no key has a home.
bool routes_by_key(const config::Settings& settings);

// The error is a whole sentence for who asked: a request that the proxy would refuse, and how.
std::expected<Explanation, std::string> explain(const Question& question, const config::Settings& settings,
                                                const balance::Table& table);

// ?key=…, or url=, header= (as often as wanted) and client=, each percent-encoded. A '+' is a '+'.
std::expected<Question, std::string> read_question(std::string_view query);

}  // namespace ringmaster::admin
