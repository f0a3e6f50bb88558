// Conversations about keys that are hot, clients that stick, replicas that warm up, and policies without a table.
#include <algorithm>
#include <set>

#include "balance/hot_keys.h"
#include "placement.h"

namespace ringmaster::proxy {
namespace {

using namespace std::chrono_literals;
using balance::Verdict;

class Spread : public Placed {
 protected:
  // A whole exchange by a client of its own; returns who served, and the answer's head.
  std::string serve(const std::string& key, std::string* head = nullptr, const std::string& fields = "") {
    std::map<std::string, uint64_t> before;
    for (const std::string& name : names_) before[name] = requests(name);
    Peer& peer = ask(key, true, fields);
    answer(key);
    wait_for(peer, "\r\n\r\nok");
    if (head) *head = peer.received();
    peer.end();
    for (const std::string& name : names_) {
      if (requests(name) > before[name]) return name;
    }
    return "";
  }
  std::vector<std::string> names_{"A", "B", "C"};
};

// --- keys -----------------------------------------------------------------------------------------------------------

TEST_P(Spread, ClientsBehindATrustedProxyGoByTheirOwnAddresses) {
  settings.routing.key = {"client_ip"};
  settings.proxy.trusted_proxies = {"127.0.0.0/8", "10.0.0.0/8"};
  start();
  publish_members({{"A"}, {"B"}, {"C"}});
  const balance::Table& table = control().published()->table;
  const auto owner_of = [&](const std::string& ip) { return table.members()[table.owner(table.slot_of(ip))]; };
  std::set<std::string> served;
  for (int i = 1; i <= 20; ++i) {
    const std::string ip = "198.51.100." + std::to_string(i);
    const std::string who = serve("x", nullptr, "X-Forwarded-For: 203.0.113.9, " + ip + ", 10.1.1.1\r\n");
    EXPECT_EQ(who, owner_of(ip));
    served.insert(who);
  }
  EXPECT_EQ(served.size(), 3u);
  EXPECT_EQ(serve("x"), owner_of("127.0.0.1"));
}

TEST_P(Spread, ClientsThatAreNotTrustedCannotChooseTheirKey) {
  settings.routing.key = {"client_ip"};
  settings.proxy.trusted_proxies = {"10.0.0.0/8"};
  start();
  publish_members({{"A"}, {"B"}, {"C"}});
  const std::string mine = serve("x");
  for (int i = 1; i <= 20; ++i) {
    EXPECT_EQ(serve("x", nullptr, "X-Forwarded-For: 10.0.0." + std::to_string(i) + "\r\n"), mine);
  }
}

// --- hot keys -------------------------------------------------------------------------------------------------------

TEST_P(Spread, ServesAHotKeyByItsFirstFewAndEveryOtherByItsOwner) {
  settings.routing.hot_key_replicas = 2;
  settings.routing.hot_key_share = 30;
  start();
  publish_members({{"A"}, {"B"}, {"C"}});
  const std::string hot = key_of({"B", "C"});
  // Many keys on one connection, so that there is traffic to judge by.
  std::map<std::string, int> served;
  for (uint32_t i = 0; i < balance::HotKeys::least + 200; ++i) {
    if (i % 2 == 0) {
      const std::string who = serve(hot);
      if (i >= balance::HotKeys::least) ++served[who];
    } else {
      const std::string owner = names_[i % 3];
      EXPECT_EQ(serve(key_of({owner})), owner);
    }
  }
  EXPECT_EQ(served["A"], 0);
  // One after the other, so that only the turns tell the two apart, which the other keys' requests take, too.
  EXPECT_EQ(served["B"] + served["C"], 100);
  EXPECT_GE(served["B"], 25);
  EXPECT_GE(served["C"], 25);
  EXPECT_EQ(meters().hot_keys.value(), 1u);
  EXPECT_GT(meters().hot_key_requests.value(), 90u);
  EXPECT_GE(placements(Verdict::hot_key), 25u);
}

TEST_P(Spread, CountsTheKeysThatAreHotNowAndNoLonger) {
  settings.routing.hot_key_replicas = 2;
  settings.routing.hot_key_share = 90;
  start();
  publish_members({{"A"}, {"B"}, {"C"}});
  balance::HotKeys& keys = control().own_meters(0).hot;
  const std::string hot = key_of({"B"}), other = key_of({"A"});
  for (uint32_t i = 0; i < balance::HotKeys::window; ++i) keys.note(balance::key_hash(hot), 90);
  serve(hot);
  EXPECT_EQ(meters().hot_keys.value(), 1u);
  for (uint32_t i = 0; i < balance::HotKeys::window; ++i) keys.note(balance::key_hash(other), 90);
  serve(other);
  EXPECT_EQ(meters().hot_keys.value(), 0u);
}

// --- sticky cookies -------------------------------------------------------------------------------------------------

class Sticky : public Spread {
 protected:
  Sticky() { settings.routing.sticky_cookie = "SRV"; }
  static std::string cookie_in(const std::string& head) {
    const size_t begin = head.find("Set-Cookie: ");
    if (begin == std::string::npos) return "";
    return head.substr(begin + 12, head.find(';', begin) - begin - 12);
  }
};

TEST_P(Sticky, ClientStaysWithTheReplicaThatItsCookieNames) {
  settings.routing.sticky_secure = true;
  start();
  publish_members({{"A"}, {"B"}, {"C"}});
  std::string head;
  EXPECT_EQ(serve(key_of({"B"}), &head), "B");
  EXPECT_NE(head.find("; Path=/; HttpOnly; SameSite=Lax; Secure\r\n"), std::string::npos) << head;
  const std::string cookie = cookie_in(head);
  EXPECT_TRUE(cookie.starts_with("SRV=B.")) << cookie;
  for (const std::string& owner : names_) {
    EXPECT_EQ(serve(key_of({owner}), &head, "Cookie: a=b; " + cookie + "\r\n"), "B");
    EXPECT_EQ(cookie_in(head), "") << "it has one";
  }
  EXPECT_EQ(placements(Verdict::sticky), 3u);
  publish_members({{"A"}, {"B"}, {"C"}}, {"B"});
  EXPECT_EQ(serve(key_of({"A"}), nullptr, "Cookie: " + cookie + "\r\n"), "B") << "in its next life, too";
}

TEST_P(Sticky, DepartedReplicasClientGoesByItsKeyAndGetsANewCookie) {
  start();
  publish_members({{"A"}, {"B"}, {"C"}});
  std::string head;
  serve(key_of({"B"}), &head);
  const std::string cookie = cookie_in(head);
  publish_members({{"A"}, {"B", 1, false}, {"C"}});
  EXPECT_EQ(serve(key_of({"C"}), &head, "Cookie: " + cookie + "\r\n"), "C");
  EXPECT_TRUE(cookie_in(head).starts_with("SRV=C.")) << head;
}

TEST_P(Sticky, ForgedCookiesAreNotBelieved) {
  start();
  publish_members({{"A"}, {"B"}, {"C"}});
  std::string head;
  serve(key_of({"B"}), &head);
  std::string cookie = cookie_in(head);
  for (std::string forged : {std::string("SRV=B.0123456789abcdef"), std::string("SRV=B"), std::string("SRV=B."),
                             "SRV=C" + cookie.substr(5), cookie + "0", std::string("SRV=")}) {
    EXPECT_EQ(serve(key_of({"A"}), &head, "Cookie: " + forged + "\r\n"), "A") << forged;
    EXPECT_TRUE(cookie_in(head).starts_with("SRV=A."));
  }
}

TEST_P(Sticky, FullReplicaIsPassedOverAndTheCookieStays) {
  settings.limits.connections_per_replica = 1;
  start();
  publish_members({{"A"}, {"B"}, {"C"}});
  std::string head;
  const std::string key = key_of({"B"});
  serve(key, &head);
  const std::string cookie = cookie_in(head);
  Peer& busy = ask(key);
  taken_by(key);
  EXPECT_EQ(serve(key_of({"C"}), &head, "Cookie: " + cookie + "\r\n"), "C");
  EXPECT_EQ(cookie_in(head), "") << "it goes back to B when there is room";
  answer(key);
  wait_for(busy, "200 OK");
}

// --- debug fields ---------------------------------------------------------------------------------------------------

TEST_P(Spread, SaysOnAnswersWhoServedAndWhy) {
  settings.proxy.debug_headers = true;
  start();
  publish_members({{"A"}, {"B"}, {"C"}});
  std::string head;
  const std::string key = key_of({"B"});
  serve(key, &head);
  const RouteTable& table = *control().published();
  const std::string fields = "X-Ringmaster-Replica: B\r\nX-Ringmaster-Slot: " +
                             std::to_string(table.table.slot_of(key)) +
                             "\r\nX-Ringmaster-Epoch: " + std::to_string(table.epoch) +
                             "\r\nX-Ringmaster-Key: query:request_id\r\nX-Ringmaster-Verdict: owner\r\n";
  EXPECT_NE(head.find(fields), std::string::npos) << head;
}

// --- slow start -----------------------------------------------------------------------------------------------------

TEST_P(Spread, ReturningReplicaTakesEachSlotOverOnceAndForGood) {
  settings.routing.slow_start = 1s;
  start();
  publish_members({{"A", 1, false}, {"B"}, {"C"}});
  std::vector<std::string> keys;
  for (int i = 0; i < 12; ++i) keys.push_back(key_of({"A", i % 2 == 0 ? "B" : "C"}));
  serving_ns_ = {{"A", now_ns()}};
  publish_members({{"A"}, {"B"}, {"C"}});
  std::vector<bool> taken(keys.size());
  size_t with_fallbacks = 0;
  const uint64_t end_ns = now_ns() + 1'100'000'000;
  while (now_ns() < end_ns) {
    for (size_t i = 0; i < keys.size(); ++i) {
      const std::string who = serve(keys[i]);
      const std::string before = i % 2 == 0 ? "B" : "C";
      EXPECT_TRUE(who == "A" || (who == before && !taken[i])) << "slots do not flap: " << who;
      taken[i] = taken[i] || who == "A";
      with_fallbacks += who != "A";
    }
    run_for(10ms);
  }
  EXPECT_EQ(std::ranges::count(taken, true), 12);
  EXPECT_GT(with_fallbacks, 0u);
  EXPECT_EQ(placements(Verdict::slow_start), with_fallbacks);
}

TEST_P(Sticky, ClientOfAReplicaThatWarmsUpGoesBackToItAtOnce) {
  settings.routing.slow_start = 1h;
  start();
  publish_members({{"A"}, {"B"}, {"C"}});
  std::string head;
  serve(key_of({"B"}), &head);
  const std::string cookie = cookie_in(head);
  serving_ns_ = {{"B", now_ns()}};
  publish_members({{"A"}, {"B"}, {"C"}}, {"B"});
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(serve(key_of({"B"}), nullptr, "Cookie: " + cookie + "\r\n"), "B");
    EXPECT_NE(serve(key_of({"B"})), "B") << "its slots have not been taken over yet";
  }
  EXPECT_EQ(placements(Verdict::sticky), 10u);
}

// --- policies -------------------------------------------------------------------------------------------------------

TEST_P(Spread, RoundRobinTakesTurnsByWeight) {
  settings.routing.table = "round_robin";
  start();
  publish_members({{"A", 1}, {"B", 2}, {"C", 3}});
  std::map<std::string, int> served;
  const std::string key = key_of({"A"});
  for (int i = 0; i < 60; ++i) ++served[serve(key)];
  EXPECT_NEAR(served["A"], 10, 1);
  EXPECT_NEAR(served["B"], 20, 1);
  EXPECT_NEAR(served["C"], 30, 1);
}

TEST_P(Spread, LeastConnectionsGoesWhereTheFewestAre) {
  settings.routing.table = "least_connections";
  start();
  publish_members({{"A"}, {"B"}, {"C", 2}});
  const std::string key = key_of({"A"});
  for (uint64_t total = 1; total <= 12; ++total) {
    ask(key);
    run_until([&] { return in_flight("A") + in_flight("B") + in_flight("C") == total; }, "its placement");
  }
  EXPECT_EQ(in_flight("A"), 3u);
  EXPECT_EQ(in_flight("B"), 3u);
  EXPECT_EQ(in_flight("C"), 6u);
}

TEST_P(Spread, PowerOfTwoStaysNearTheMean) {
  settings.routing.table = "power_of_two";
  start();
  publish_members({{"A"}, {"B"}, {"C"}});
  const std::string key = key_of({"A"});
  for (uint64_t total = 1; total <= 30; ++total) {
    ask(key);
    run_until([&] { return in_flight("A") + in_flight("B") + in_flight("C") == total; }, "its placement");
  }
  for (const std::string& name : names_) EXPECT_NEAR(static_cast<double>(in_flight(name)), 10, 3) << name;
}

class WithoutTable : public Spread {
 protected:
  void waits_where_all_are_full(const char* policy);
};

void WithoutTable::waits_where_all_are_full(const char* policy) {
  settings.routing.table = policy;
  settings.limits.connections_per_replica = 1;
  settings.limits.queue_length = 5;
  settings.limits.queue_timeout = 10s;
  start();
  publish_members({{"A"}, {"B"}});
  std::vector<std::string> keys;
  std::vector<Peer*> clients;
  for (int i = 0; i < 4; ++i) {
    keys.push_back(key_of({"A"}));
    clients.push_back(&ask(keys.back()));
  }
  run_until([&] { return meters().exchanges_waiting.value() == 2; }, "two to wait");
  EXPECT_EQ(in_flight("A"), 1u);
  EXPECT_EQ(in_flight("B"), 1u);
  while (!keys.empty()) {   // who waits at which of the two is the policy's affair
    size_t one = 0;
    run_until([&] {
      for (one = 0; one < keys.size() && !is_taken(keys[one]);) ++one;
      return one < keys.size();
    }, "one of them at a replica");
    answer(keys[one]);
    wait_for(*clients[one], "200 OK");
    keys.erase(keys.begin() + static_cast<ptrdiff_t>(one));
    clients.erase(clients.begin() + static_cast<ptrdiff_t>(one));
  }
}

TEST_P(WithoutTable, RoundRobinWaitsWhereAllAreFull) { waits_where_all_are_full("round_robin"); }
TEST_P(WithoutTable, LeastConnectionsWaitsWhereAllAreFull) { waits_where_all_are_full("least_connections"); }
TEST_P(WithoutTable, PowerOfTwoWaitsWhereAllAreFull) { waits_where_all_are_full("power_of_two"); }

const auto worlds = testing::Values(&uring::make_kernel_world, &uring::make_fake_world, &uring::make_unkind_world);
INSTANTIATE_TEST_SUITE_P(Worlds, Spread, worlds);
INSTANTIATE_TEST_SUITE_P(Worlds, Sticky, worlds);
INSTANTIATE_TEST_SUITE_P(Worlds, WithoutTable, worlds);

}  // namespace
}  // namespace ringmaster::proxy
