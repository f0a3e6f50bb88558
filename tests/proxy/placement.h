// Conversations about who serves: replicas that are full, down, gone or back, and exchanges that wait for them.
#pragma once

#include <string>
#include <vector>

#include "conversation.h"

namespace ringmaster::proxy {

class Placed : public Conversation {
 protected:
  struct Wish {
    std::string name;
    uint32_t weight = 1;
    bool ready = true;
  };
  // A table of these. A replica that was ready in the table before keeps its life, but for those in `reborn`. The lives
  // so far of those in `silent` are, as RouteTable says.
  void publish_members(const std::vector<Wish>& wishes, const std::vector<std::string>& reborn = {},
                       const std::vector<std::string>& silent = {});
  const Upstream& named(const std::string& name) { return *lives_.at(name); }
  uint64_t in_flight(const std::string& name) { return named(name).meters[0].in_flight.value(); }
  uint64_t requests(const std::string& name) { return named(name).meters[0].requests.value(); }
  uint64_t placements(balance::Verdict verdict) {
    return meters().placements[static_cast<size_t>(verdict)].value();
  }

  // A key whose slot has these owner and fall-backs, as far as they are named, in the table with everybody ready.
  std::string key_of(const std::vector<std::string>& order);
  // A new client asks with that key; with `settled` it has been placed, or waits.
  Peer& ask(const std::string& key, bool settled = true, const std::string& fields = "");
  // The connection on which the replica got the request with that key and has not answered yet.
  Peer& taken_by(const std::string& key);
  void answer(const std::string& key);   // "ok", and the connection is kept
  void fail(const std::string& key);     // a reset instead

  bool is_taken(const std::string& key);

  std::map<std::string, uint64_t> serving_ns_;   // for the next tables

 private:
  Peer* find_taken(const std::string& key);
  std::map<std::string, UpstreamPtr> lives_;
  std::map<Peer*, size_t> read_;
  std::unique_ptr<balance::Table> everybody_;
  uint64_t lives_made_ = 1000;
  uint64_t keys_made_ = 0;
};

}  // namespace ringmaster::proxy
