// Sticky sessions: a cookie that names the replica which served a client first, so that it serves the client's other
// requests, too.
//
//   NAME=S5.0f1e2d3c4b5a6978      the replica's name, a point, SipHash-2-4 of the name under the secret in hexadecimal
//
// It names the replica's identity, not its address or life: a respawned S5 keeps its clients. The code keeps clients
// from choosing a replica by themselves. The secret comes from routing.sticky_secret_file, which several instances may
// share, or is drawn at the start: then cookies from before are no longer believed, and their requests go by their keys
// and get new cookies. The file is read once, at the start.
//
// Immutable: workers and the admin thread read the same.
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
  // 16 bytes or more than 4096.
  explicit StickyCookies(const config::Settings& settings);

  bool on() const noexcept { return !name_.empty(); }
  // Of a replica; never 0.
  uint64_t code_of(std::string_view replica) const noexcept;
  struct Named {
    bool present = false;       // the request has the cookie, of whatever value
    std::string_view replica;   // that it names, under our code; empty: its value is none of ours. Points into the head
    uint64_t code = 0;          // of `replica`; 0: there is none
  };
  // A replica of that name there need not be (any more).
  Named named_in(const http::RequestHead& head) const noexcept;
  const std::string& name() const noexcept { return name_; }
  // "Set-Cookie: …", with its line end.
  std::string field_for(std::string_view replica) const;

 private:
  std::string name_;
  std::string attributes_;
  SipKey key_;
};

}  // namespace ringmaster::proxy
