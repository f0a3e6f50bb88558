#include "placement.h"

#include <algorithm>
#include <array>

namespace ringmaster::proxy {

void Placed::publish_members(const std::vector<Wish>& wishes, const std::vector<std::string>& reborn,
                             const std::vector<std::string>& silent) {
  balance::Builder builder(balance::TableSettings{});
  for (const Wish& wish : wishes) {
    ASSERT_TRUE(builder.join(wish.name, wish.weight));
    builder.set_ready(wish.name, true);
  }
  everybody_ = std::make_unique<balance::Table>(builder.build());
  auto table = std::make_unique<RouteTable>();
  if (settings.routing.affinity == "strict") table->homes = std::make_shared<const balance::Table>(*everybody_);
  for (const std::string& name : silent) table->silent.push_back(named(name).id);
  for (const Wish& wish : wishes) {
    builder.set_ready(wish.name, wish.ready);
    if (!wish.ready) continue;
    UpstreamPtr& life = lives_[wish.name];
    if (!life || std::ranges::find(reborn, wish.name) != reborn.end()) {
      life = std::make_shared<Upstream>(++lives_made_, wish.name, server(), 1);
    }
    table->upstreams.push_back(life);
    table->serving_ns.push_back(serving_ns_[wish.name]);
  }
  table->table = builder.build();
  control().publish(std::move(table));
  turn();
}

std::string Placed::key_of(const std::vector<std::string>& order) {
  for (;;) {
    std::string key = "k" + std::to_string(++keys_made_);
    const uint32_t slot = everybody_->slot_of(key);
    std::array<uint16_t, balance::fallbacks_max + 1> members;
    members[0] = everybody_->owner(slot);
    everybody_->fallbacks(slot, std::span(members).subspan(1));
    bool same = true;
    for (size_t i = 0; i < order.size(); ++i) same = same && everybody_->members()[members[i]] == order[i];
    if (same) return key;
  }
}

Peer& Placed::ask(const std::string& key, bool settled, const std::string& fields) {
  const uint64_t begun = meters().requests.value();
  Peer& peer = client();
  peer.write("GET /?request_id=" + key + "& HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n");
  if (settled) run_until([&] { return meters().requests.value() > begun; }, "the request's arrival");
  return peer;
}

Peer* Placed::find_taken(const std::string& key) {
  const std::string wanted = "request_id=" + key + "& ";
  for (Peer* peer : upstreams_seen()) {
    if (peer->received().find(wanted, read_[peer]) != std::string::npos) return peer;
  }
  return nullptr;
}

bool Placed::is_taken(const std::string& key) { return find_taken(key) != nullptr; }

Peer& Placed::taken_by(const std::string& key) {
  Peer* found = nullptr;
  run_until([&] { return (found = find_taken(key)) != nullptr; }, "the request at a replica");
  return *found;
}

void Placed::answer(const std::string& key) {
  Peer& peer = taken_by(key);
  run_until([&] { return peer.received().ends_with("\r\n\r\n"); }, "the whole request");
  read_[&peer] = peer.received().size();
  peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

void Placed::fail(const std::string& key) {
  Peer& peer = taken_by(key);
  read_[&peer] = std::string::npos;
  peer.reset();
}

}  // namespace ringmaster::proxy
