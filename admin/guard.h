// Who may ask the admin API for what: the checks before anything is looked at.
//
// A page in somebody's browser can send requests to loopback addresses. It cannot read the answers, but a request that
// changes something has done its work by then; and a name that the page's owner points at 127.0.0.1 makes even the
// answers readable (DNS rebinding). So whatever changes state must be JSON (which a page may not send elsewhere without
// asking first), must be meant for us (Host), and must not come from somebody else's page (Origin; RFC 6454). Where a
// token is set, it is asked for as well, by every request but /healthz.
//
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"

namespace ringmaster::admin {

struct Objection {
  uint16_t status = 0;
  std::string message;
};

// What the checks look at; empty where the field is missing.
struct Credentials {
  std::string_view host;
  std::string_view origin;
  bool one_origin = true;          // not more than one Origin field
  std::string_view content_type;
  std::string_view authorization;
  bool has_body = false;
  // The method is one for which a browser asks first (the Fetch standard's preflight), and it is told no: the body may
  // be of any type then.
  bool preflighted = false;
};

class Guard {
 public:
  // `listening`: what the admin port is bound to, with its port; `token`: "" for none.
  Guard(const SocketAddress& listening, std::string token);

  std::optional<Objection> check_token(const Credentials& given) const;         // 401
  std::optional<Objection> check_change(const Credentials& given) const;        // 421, 403, 415

 private:
  bool host_is_ours(std::string_view host) const;

  const SocketAddress listening_;
  const std::string listening_text_;   // as nearly every Host field has it
  const std::string token_;
};

// For the proxy's own port in drop-in mode, which has any Host, and takes JSON under any type: only a foreign page's
// requests are refused. 403.
std::optional<Objection> check_origin(const Credentials& given);

// The file's content without the line end. Throws StartError where it cannot be read, or is empty.
std::string read_token(const std::string& path);

// In time that depends on the lengths only.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;

}  // namespace ringmaster::admin
