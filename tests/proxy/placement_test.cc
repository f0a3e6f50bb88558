#include "placement.h"

#include <random>

namespace ringmaster::proxy {
namespace {

using namespace std::chrono_literals;
using balance::Verdict;

constexpr std::string_view full_answer = "HTTP/1.1 503 Service Unavailable\r\n";

class Room : public Placed {
 protected:
  Room() {
    settings.limits.connections_per_replica = 1;
    settings.limits.queue_length = 3;
    settings.limits.queue_timeout = 10s;
  }
  void expect_ok(Peer& peer) { wait_for(peer, "HTTP/1.1 200 OK\r\n"); }
  void expect_refusal(Peer& peer, std::string_view cause) {
    wait_for(peer, full_answer);
    wait_for(peer, "Retry-After: 1\r\n");
    wait_for(peer, "\"cause\":\"" + std::string(cause) + "\"");
  }
  // The owner's only connection is busy, and the fall-back's is not.
  void expect_wait_for_a_full_owner();
};

void Room::expect_wait_for_a_full_owner() {
  start();
  publish_members({{"A"}, {"B"}});
  const std::string one = key_of({"A"}), two = key_of({"A"});
  Peer& first = ask(one);
  taken_by(one);
  Peer& second = ask(two);
  EXPECT_EQ(meters().exchanges_waiting.value(), 1u);
  answer(one);
  expect_ok(first);
  answer(two);
  expect_ok(second);
  EXPECT_EQ(requests("A"), 2u);
  EXPECT_EQ(requests("B"), 0u);
}

// --- prefer ---------------------------------------------------------------------------------------------------------

TEST_P(Room, SpillsToTheFallbackWhenTheOwnerIsFull) {
  start();
  publish_members({{"A"}, {"B"}});
  const std::string one = key_of({"A"}), two = key_of({"A"});
  Peer& first = ask(one);
  taken_by(one);
  Peer& second = ask(two);
  taken_by(two);
  EXPECT_EQ(in_flight("A"), 1u);
  EXPECT_EQ(in_flight("B"), 1u);
  EXPECT_EQ(placements(Verdict::over_capacity), 1u);
  answer(two);
  expect_ok(second);
  answer(one);
  expect_ok(first);
  Peer& third = ask(one);
  answer(one);
  expect_ok(third);
  EXPECT_EQ(requests("A"), 2u) << "there is room again";
}

TEST_P(Room, ServesThoseWhoWaitInTheirOrderAndNobodyBeforeThem) {
  start();
  publish_members({{"A"}});
  std::vector<std::string> keys;
  std::vector<Peer*> clients;
  for (int i = 0; i < 4; ++i) {
    keys.push_back(key_of({"A"}));
    clients.push_back(&ask(keys.back()));
  }
  EXPECT_EQ(meters().exchanges_waiting.value(), 3u);
  EXPECT_EQ(named("A").meters[0].waiting.value(), 3u);
  EXPECT_EQ(placements(Verdict::queued), 3u);
  for (int i = 0; i < 4; ++i) {
    answer(keys[static_cast<size_t>(i)]);
    expect_ok(*clients[static_cast<size_t>(i)]);
  }
  EXPECT_EQ(meters().exchanges_waiting.value(), 0u);
  EXPECT_EQ(named("A").meters[0].waiting.value(), 0u);
  EXPECT_EQ(requests("A"), 4u);
  EXPECT_EQ(upstream_connections(), 1u);
}

TEST_P(Room, RefusesAtOnceWhoFindsTheQueueFull) {
  start();
  publish_members({{"A"}});
  const std::string key = key_of({"A"});
  ask(key);
  taken_by(key);
  for (int i = 0; i < 3; ++i) ask(key_of({"A"}));
  Peer& turned_away = ask(key_of({"A"}));
  expect_refusal(turned_away, "replica_full");
  EXPECT_EQ(refusals(http::Cause::replica_full), 1u);
  EXPECT_EQ(placements(Verdict::full), 1u);
  EXPECT_FALSE(turned_away.ended()) << "its connection is kept";
}

TEST_P(Room, RefusesEverybodyPastTheLimitWhereNobodyMayWait) {
  settings.limits.queue_length = 0;
  start();
  publish_members({{"A"}});
  const std::string key = key_of({"A"});
  Peer& first = ask(key);
  taken_by(key);
  expect_refusal(ask(key), "replica_full");
  answer(key);
  expect_ok(first);
  Peer& again = ask(key);
  answer(key);
  expect_ok(again);
}

TEST_P(Room, RefusesWhoHasWaitedTooLong) {
  settings.limits.queue_timeout = 60ms;
  start();
  publish_members({{"A"}});
  const std::string key = key_of({"A"});
  Peer& first = ask(key);
  taken_by(key);
  Peer& second = ask(key);
  Peer& third = ask(key);
  expect_refusal(second, "queue_timeout");
  expect_refusal(third, "queue_timeout");
  EXPECT_EQ(refusals(http::Cause::queue_timeout), 2u);
  EXPECT_EQ(meters().exchanges_waiting.value(), 0u);
  answer(key);
  expect_ok(first);
  Peer& fourth = ask(key);
  answer(key);
  expect_ok(fourth);
}

TEST_P(Room, ForgetsTheClientThatLeavesWhileItWaits) {
  start();
  publish_members({{"A"}});
  const std::string key = key_of({"A"}), last = key_of({"A"});
  Peer& first = ask(key);
  taken_by(key);
  Peer& leaver = ask(key);
  Peer& patient = ask(last);
  leaver.reset();
  run_until([&] { return meters().exchanges_waiting.value() == 1; }, "its leaving");
  EXPECT_EQ(meters().client_aborts.value(), 1u);
  answer(key);
  expect_ok(first);
  answer(last);
  expect_ok(patient);
  EXPECT_EQ(requests("A"), 2u);
}

TEST_P(Room, PassesABodyOnThatCameWhileItsRequestWaited) {
  start();
  publish_members({{"A"}});
  const std::string key = key_of({"A"});
  Peer& first = ask(key);
  taken_by(key);
  Peer& c = client();
  c.write("POST /?request_id=" + key + "& HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n01234");
  run_until([&] { return meters().exchanges_waiting.value() == 1; }, "the second to wait");
  c.write("56789");
  run_for(5ms);
  answer(key);
  expect_ok(first);
  wait_for(upstream(), "\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n0123456789");
  upstream().write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  expect_ok(c);
}

TEST_P(Room, SendsThoseElsewhereWhoseReplicaLeavesTheTable) {
  start();
  publish_members({{"A"}, {"B"}});
  const std::string at_a = key_of({"A"}), at_b = key_of({"B"}), waiting = key_of({"A"});
  Peer& first = ask(at_a);
  taken_by(at_a);
  Peer& second = ask(at_b);
  taken_by(at_b);
  Peer& third = ask(waiting);
  EXPECT_EQ(meters().exchanges_waiting.value(), 1u);
  publish_members({{"A", 1, false}, {"B"}});
  EXPECT_EQ(meters().exchanges_waiting.value(), 1u) << "B is full: it waits there now";
  answer(at_b);
  expect_ok(second);
  answer(waiting);
  expect_ok(third);
  answer(at_a);
  expect_ok(first);
  EXPECT_EQ(requests("B"), 2u);
}

TEST_P(Room, KeepsConnectionsOfAReplicaThatComesBackInTheSameLife) {
  start();
  publish_members({{"A"}, {"B"}});
  const std::string key = key_of({"A"});
  Peer& busy = ask(key);
  taken_by(key);
  publish_members({{"A", 1, false}, {"B"}});
  publish_members({{"A"}, {"B"}});
  answer(key);
  expect_ok(busy);
  run_for(5ms);
  Peer& again = ask(key);
  answer(key);
  expect_ok(again);
  EXPECT_EQ(requests("A"), 2u);
  EXPECT_EQ(upstream_connections(), 1u);
}

TEST_P(Room, LetsThoseWhoWaitFinishWhileItDrains) {
  start();
  publish_members({{"A"}});
  const std::string key = key_of({"A"}), other = key_of({"A"});
  Peer& first = ask(key);
  taken_by(key);
  Peer& second = ask(other);
  control().set_phase(Phase::draining);
  run_for(5ms);
  answer(key);
  expect_ok(first);
  answer(other);
  expect_ok(second);
}

TEST_P(Room, EndsThoseWhoWaitWhenTheEndComes) {
  start();
  publish_members({{"A"}});
  const std::string key = key_of({"A"});
  ask(key);
  taken_by(key);
  Peer& second = ask(key);
  control().set_phase(Phase::ending);
  run_until([&] { return second.ended() || second.was_reset(); }, "the end");
  EXPECT_EQ(meters().exchanges_waiting.value(), 0u);
}

// --- fail_over ------------------------------------------------------------------------------------------------------

TEST_P(Room, FailOverWaitsForAFullOwner) {
  settings.routing.affinity = "fail_over";
  expect_wait_for_a_full_owner();
}

TEST_P(Room, FailOverGoesOnWhenTheOwnerFails) {
  settings.routing.affinity = "fail_over";
  start();
  publish_members({{"A"}, {"B"}});
  const std::string key = key_of({"A"});
  Peer& c = ask(key);
  fail(key);
  run_until([&] { return requests("B") == 1; }, "the fall-back's turn");
  answer(key);
  expect_ok(c);
}

// --- strict ---------------------------------------------------------------------------------------------------------

class Strict : public Room {
 protected:
  Strict() {
    settings.routing.affinity = "strict";
    settings.routing.affinity_wait = 10s;
    settings.limits.connections_per_replica = 0;
    settings.heartbeat.interval = 5s;   // a worker looks away for so long
  }
};

TEST_P(Strict, HoldsARequestUntilTheOwnerIsBack) {
  start();
  publish_members({{"A"}, {"B"}});
  const std::string key = key_of({"A"});
  Peer& c = ask(key);
  fail(key);
  run_until([&] { return meters().exchanges_waiting.value() == 1; }, "the request to be held");
  publish_members({{"A", 1, false}, {"B"}});
  run_for(5ms);
  Peer& later = ask(key);
  EXPECT_EQ(meters().exchanges_waiting.value(), 2u);
  publish_members({{"A"}, {"B"}}, {"A"});
  run_until([&] { return in_flight("A") == 2; }, "both at the owner's new life");
  EXPECT_EQ(meters().exchanges_waiting.value(), 0u);
  EXPECT_EQ(requests("B"), 0u);
  c.end();
  later.end();
}

TEST_P(Strict, AsksTheOwnerAgainOnceItIsInSight) {
  settings.heartbeat.interval = 50ms;
  start();
  publish_members({{"A"}, {"B"}});
  const std::string key = key_of({"A"});
  Peer& c = ask(key);
  fail(key);
  run_until([&] { return meters().exchanges_waiting.value() == 1; }, "the request to be held");
  answer(key);
  expect_ok(c);
  EXPECT_EQ(requests("A"), 2u);
  EXPECT_EQ(requests("B"), 0u);
}

TEST_P(Strict, SaysSoWhenTheOwnerDoesNotComeBack) {
  settings.routing.affinity_wait = 60ms;
  start();
  publish_members({{"A", 1, false}, {"B"}});
  Peer& c = ask(key_of({"A"}));
  expect_refusal(c, "owner_gone");
  EXPECT_EQ(refusals(http::Cause::owner_gone), 1u);
  EXPECT_EQ(placements(Verdict::held), 1u);
  const std::string other = key_of({"B"});
  Peer& served = ask(other);
  answer(other);
  expect_ok(served);
}

TEST_P(Strict, WaitsForAFullOwner) {
  settings.limits.connections_per_replica = 1;
  expect_wait_for_a_full_owner();
}

// --- bounded loads --------------------------------------------------------------------------------------------------

TEST_P(Placed, HoldsTheBoundForAHotKey) {
  settings.routing.balance_factor = 125;
  start();
  publish_members({{"A"}, {"B"}, {"C"}});
  const std::string hot = key_of({"A", "B", "C"});
  for (uint64_t total = 1; total <= 12; ++total) {
    ask(hot);
    run_until([&] { return in_flight("A") + in_flight("B") + in_flight("C") == total; }, "its placement");
    for (const char* name : {"A", "B", "C"}) EXPECT_LE(in_flight(name), balance::bound_of(125, 1, total, 3)) << total;
  }
  EXPECT_EQ(in_flight("A"), 5u);
  EXPECT_EQ(in_flight("B"), 5u);
  EXPECT_EQ(in_flight("C"), 2u);
  EXPECT_EQ(placements(Verdict::over_bound), 7u);
}

// --- by chance ------------------------------------------------------------------------------------------------------

struct Rules {
  const char* affinity;
  uint32_t factor, connections;
};

class Chance : public Placed {
 protected:
  void play(const Rules& rules, uint64_t seed);
};

// Requests begin and end, replicas leave and come back, in random order. After each step what must hold is looked at.
void Chance::play(const Rules& rules, uint64_t seed) {
  settings.routing.affinity = rules.affinity;
  settings.routing.affinity_wait = 60s;
  settings.routing.balance_factor = rules.factor;
  settings.limits.connections_per_replica = rules.connections;
  settings.limits.queue_length = 1000;
  settings.limits.queue_timeout = 60s;
  start();
  std::mt19937_64 random(seed);
  const std::vector<std::string> names{"A", "B", "C", "D"};
  std::vector<Wish> wishes;
  for (const std::string& name : names) wishes.push_back({name, static_cast<uint32_t>(1 + random() % 3), true});
  publish_members(wishes);
  std::map<std::string, std::pair<std::string, Peer*>> under_way;   // key: the owner's name, the client
  bool swapped = false;
  for (int step = 0; step < 150; ++step) {
    const auto dice = random() % 100;
    if (dice < 5) {
      Wish& wish = wishes[1 + random() % 3];   // A stays
      wish.ready = !wish.ready;
      publish_members(wishes);
      swapped = true;
    } else if (dice < 65 && under_way.size() < 40) {
      const std::string owner = names[random() % names.size()];
      const std::string key = key_of({owner});
      uint64_t total = 1, weights = 0;
      for (const Wish& wish : wishes) {
        if (wish.ready) total += in_flight(wish.name), weights += wish.weight;
      }
      std::map<std::string, uint64_t> before;
      for (const Wish& wish : wishes) before[wish.name] = requests(wish.name);
      under_way[key] = {owner, &ask(key)};
      for (const Wish& wish : wishes) {
        const uint64_t taken = requests(wish.name) - before[wish.name];
        if (taken == 0) continue;
        EXPECT_TRUE(wish.ready) << "step " << step;
        if (rules.factor != 0) {
          EXPECT_LE(in_flight(wish.name), balance::bound_of(rules.factor, wish.weight, total, weights));
        }
        if (std::string_view(rules.affinity) == "strict") {
          EXPECT_EQ(wish.name, owner) << "step " << step;
        }
      }
    } else if (!under_way.empty()) {
      auto one = under_way.begin();
      std::advance(one, static_cast<ptrdiff_t>(random() % under_way.size()));
      if (random() % 8 == 0) {
        one->second.second->reset();
      } else if (is_taken(one->first)) {
        answer(one->first);
        wait_for(*one->second.second, "200 OK");
      } else {
        continue;
      }
      under_way.erase(one);
      turn();
    }
    for (const Wish& wish : wishes) {
      const uint64_t connections = named(wish.name).meters[0].connections.value();
      if (rules.connections != 0) {
        EXPECT_LE(connections, rules.connections) << "step " << step;
      }
    }
  }
  EXPECT_TRUE(swapped);
  for (Wish& wish : wishes) wish.ready = true;
  publish_members(wishes);
  while (!under_way.empty()) {
    const auto one = std::ranges::find_if(under_way, [&](const auto& entry) { return is_taken(entry.first); });
    if (one == under_way.end()) {
      turn();
      continue;
    }
    answer(one->first);
    wait_for(*one->second.second, "200 OK");
    under_way.erase(one);
  }
  run_until([&] { return meters().exchanges.value() == 0; }, "the end of all");
  EXPECT_EQ(meters().exchanges_waiting.value(), 0u);
}

TEST_P(Chance, NeverBreaksTheBound) {
  play({"prefer", 125, 0}, 1);
}
TEST_P(Chance, NeverBreaksTheBoundBesideALimit) {
  play({"prefer", 150, 6}, 2);
}
TEST_P(Chance, NeverExceedsTheLimitAndLosesNobodyWhoWaits) {
  play({"prefer", 0, 2}, 3);
}
TEST_P(Chance, NeverServesAStrictKeyElsewhere) {
  play({"strict", 0, 2}, 4);
}
TEST_P(Chance, FailsOverAndWaitsWithoutLosingAnybody) {
  play({"fail_over", 0, 2}, 5);
}

const auto worlds = testing::Values(&uring::make_kernel_world, &uring::make_fake_world, &uring::make_unkind_world);
INSTANTIATE_TEST_SUITE_P(Worlds, Placed, worlds);
INSTANTIATE_TEST_SUITE_P(Worlds, Room, worlds);
INSTANTIATE_TEST_SUITE_P(Worlds, Strict, worlds);
INSTANTIATE_TEST_SUITE_P(Worlds, Chance, worlds);

}  // namespace
}  // namespace ringmaster::proxy
