// The other end of a connection that the proxy opened: reads what comes with the reference reader, holds it against
// what the clients sent, and answers with an echo, in a good way or in one of many bad ways, as the dice say.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fake/fake_ring.h"
#include "traffic.h"

namespace ringmaster::proxy {

// What all replicas of one test share.
struct Stage {
  fake::FakeRing& ring;
  Dice& dice;
  bool polite = true;                            // every replica answers well, and in time
  std::map<std::string, Traffic*> clients;       // by address
  std::vector<std::string> complaints;

  void complain(const std::string& what) {
    if (complaints.size() < 5) complaints.push_back(what.substr(0, 600));
  }
};

class HostileReplica {
 public:
  HostileReplica(Stage& stage, fake::FakePeer& peer);

  // When nothing more will come: what is left must be the begin of a request.
  void check_rest();

 private:
  void read();
  Expected* find(const Message& message, bool whole);
  void answer(const Message& message, Expected& expected);
  void answer_badly(const Message& message, Expected& expected, const std::string& good);
  void answer_early(const Message& message);
  std::string echo(const Message& message, std::string_view body_hash, std::string& body);
  void say(std::string bytes, std::function<void()> then);   // in pieces, as time goes by
  void end();

  Stage& stage_;
  fake::FakePeer& peer_;
  size_t read_ = 0;           // bytes of peer.received() that whole requests made up
  bool busy_ = false;         // an answer is under way: nothing may come meanwhile
  bool over_ = false;         // says nothing more
  bool early_judged_ = false; // whether this request is answered early has been thrown
  bool answered_early_ = false;
  bool deaf_ = false;         // has answered early, or switched: what comes is not read as requests
  Expected* tunnel_ = nullptr;
  const Traffic* tunnel_traffic_ = nullptr;
};

}  // namespace ringmaster::proxy
