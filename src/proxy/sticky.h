// Sticky sessions: a cookie that names the replica which served a client first, so that it serves the client's other
// requests, too.
//
//   NAME=S5.0f1e2d3c4b5a6978      the replica's name, a point, SipHash-2-4 of the name under the secret in hexadecimal
//
// It names the replica's identity, not its address or life: a respawned S5 keeps its clients. The code keeps clients
// from choosing a replica by themselves. The secret comes from routing.sticky_secret_file, which several instances may
// share, or is drawn at the start: then cookies from before are no longer believed, and their requests go by their keys
// and get new cookies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/siphash.h"
#include "config/settings.h"
#include "http/head.h"

namespace ringmaster::proxy {

class StickyCookies {
 public:
  // Off where the settings name no cookie. Throws StartError where the secret's file cannot be read, or has fewer than
  // 16 bytes.
  explicit StickyCookies(const config::Settings& settings);

  bool on() const noexcept { return !name_.empty(); }
  // Of a replica; never 0.
  uint64_t code_of(std::string_view replica) const noexcept;
  // Of the replica that the request's cookie names, or says it does: where no replica has this code, the cookie is
  // forged or from before. 0: the request has no cookie of that form.
  uint64_t code_in(const http::RequestHead& head) const noexcept;
  // "Set-Cookie: …", with its line end.
  std::string field_for(std::string_view replica) const;

 private:
  std::string name_;
  std::string attributes_;
  SipKey key_;
};

}  // namespace ringmaster::proxy
