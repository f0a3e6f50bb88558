// Settings that are good by themselves and not together.

#include <gtest/gtest.h>

#include "tests/config/support.h"

namespace ringmaster::config {
namespace {

TEST(Relation, AdminBeyondThisMachineNeedsAToken) {
  EXPECT_EQ(
      complaints("[admin]\nlisten = \"0.0.0.0:5001\"\n"),
      "a.toml:2:10: admin.token_file: found none, with admin.listen \"0.0.0.0:5001\"; allowed: a token file, or an "
      "admin.listen that is loopback or a unix socket");
  EXPECT_EQ(
      complaints("", {{"admin.listen", "[::]:5001"}}),
      "--admin.listen: admin.token_file: found none, with admin.listen \"[::]:5001\"; allowed: a token file, or an "
      "admin.listen that is loopback or a unix socket");
  for (const char* listen : {"127.0.0.1:0", "127.9.9.9:1", "[::1]:1", "unix:/run/x.sock", "unix:@x"}) {
    EXPECT_EQ(complaints("", {{"admin.listen", listen}}), "") << listen;
  }
  EXPECT_EQ(complaints("[admin]\nlisten = \"0.0.0.0:5001\"\ntoken_file = \"/etc/token\"\n"), "");
}

TEST(Relation, StaticRuntimeNeedsAReplica) {
  EXPECT_EQ(complaints("[replicas]\nruntime = \"static\"\n"),
            "a.toml:2:11: replicas.static: found none, with replicas.runtime \"static\"; allowed: at least one "
            "[[replicas.static]]");
}

TEST(Relation, ProcessRuntimeNeedsACommand) {
  EXPECT_EQ(complaints("[replicas]\ncommand = []\n"),
            "a.toml:2:11: replicas.command: found none, with replicas.runtime \"process\"; allowed: a program and its "
            "arguments");
  EXPECT_EQ(complaints("[replicas]\ncommand = []\nruntime = \"static\"\n[[replicas.static]]\nname = \"a\"\naddress = "
                       "\"127.0.0.1:1\"\n"),
            "");
}

TEST(Relation, OnlyContainersCanBeKept) {
  EXPECT_EQ(complaints("[replicas]\non_exit = \"keep\"\n"),
            "a.toml:2:11: replicas.on_exit: found \"keep\", without replicas.runtime \"docker\"; allowed: stop");
  EXPECT_EQ(complaints("[replicas]\non_exit = \"keep\"\nruntime = \"docker\"\n"), "");
}

TEST(Relation, MaglevNeedsAPrime) {
  EXPECT_EQ(
      complaints("[routing]\ntable = \"maglev\"\nslots = 65536\n"),
      "a.toml:3:9: routing.slots: found 65536, with routing.table \"maglev\"; allowed: a prime such as 65537, or 0");
  EXPECT_EQ(complaints("[routing]\ntable = \"maglev\"\nslots = 65537\n"), "");
  EXPECT_EQ(complaints("[routing]\ntable = \"maglev\"\n"), "");
}

TEST(Relation, AssignmentTablesHaveRoomForTheirVirtualNodes) {
  EXPECT_EQ(complaints("[routing]\ntable = \"assignment\"\n[replicas]\ncount = 57\n"),
            "a.toml:4:9: routing.slots: found 512 for 57 replicas with 9 virtual nodes each; allowed: 513 or more");
  EXPECT_EQ(complaints("[routing]\ntable = \"assignment\"\n[replicas]\ncount = 56\n"), "");
  EXPECT_EQ(complaints("[routing]\ntable = \"md5\"\nslots = 16\n[replicas]\ncount = 1\n[[replicas.static]]\nname = "
                       "\"a\"\naddress = \"127.0.0.1:1\"\n[[replicas.static]]\nname = \"b\"\naddress = "
                       "\"127.0.0.1:2\"\n"),
            "");
  EXPECT_EQ(complaints(
                "[routing]\ntable = \"md5\"\nslots = 16\n[replicas]\nruntime = \"static\"\n[[replicas.static]]\nname = "
                "\"a\"\naddress = \"127.0.0.1:1\"\n[[replicas.static]]\nname = \"b\"\naddress = "
                "\"127.0.0.1:2\"\n"),
            "a.toml:3:9: routing.slots: found 16 for 2 replicas with 9 virtual nodes each; allowed: 18 or more");
}

TEST(Relation, ABoundNeedsSomebodyElseWhoMayServe) {
  EXPECT_EQ(complaints("[routing]\naffinity = \"strict\"\nbalance_factor = 1.25\n"),
            "a.toml:3:18: routing.balance_factor: found 1.25, with routing.affinity \"strict\"; allowed: 0, or the "
            "affinity \"prefer\"");
  EXPECT_EQ(complaints("[routing]\nbalance_factor = 0.9\n"),
            "a.toml:2:18: routing.balance_factor: found 0.9; allowed: 0, or more than 1, such as 1.25");
  EXPECT_EQ(complaints("[routing]\nbalance_factor = 1\n"),
            "a.toml:2:18: routing.balance_factor: found 1; allowed: 0, or more than 1, such as 1.25");
  EXPECT_EQ(complaints("[routing]\nbalance_factor = 1.01\n"), "");
}

TEST(Relation, PoliciesWithoutATableHaveNoOwnersToInsistOn) {
  const auto with = [](std::string_view table, std::string_view line) {
    return complaints("[routing]\ntable = \"" + std::string(table) + "\"\n" + std::string(line) + "\n");
  };
  for (const char* table : {"round_robin", "least_connections", "power_of_two"}) {
    EXPECT_EQ(with(table, ""), "");
    EXPECT_NE(with(table, "affinity = \"strict\""), "");
    EXPECT_NE(with(table, "balance_factor = 1.25"), "");
  }
  EXPECT_EQ(with("power_of_two", "hot_key_replicas = 2"),
            "a.toml:3:20: routing.hot_key_replicas: found 2, with routing.table \"power_of_two\"; allowed: 1, or a "
            "table of slots");
  EXPECT_EQ(with("maglev", "hot_key_replicas = 2\naffinity = \"strict\""),
            "a.toml:3:20: routing.hot_key_replicas: found 2, with routing.affinity \"strict\"; allowed: 1, or another "
            "affinity");
}

TEST(Relation, BrowsersTakeSameSiteNoneWithSecureOnly) {
  EXPECT_EQ(complaints("[routing]\nsticky_same_site = \"none\"\n"),
            "a.toml:2:20: routing.sticky_same_site: found \"none\", with routing.sticky_secure false; allowed: lax | "
            "strict, or sticky_secure true");
  EXPECT_EQ(complaints("[routing]\nsticky_same_site = \"none\"\nsticky_secure = true\n"), "");
  EXPECT_NE(complaints("[routing]\nsticky_cookie = \"a b\"\n"), "");
}

TEST(Relation, IsShownWhereAFlagBrokeIt) {
  EXPECT_EQ(complaints("[routing]\ntable = \"maglev\"\n", {{"routing.slots", "4"}}),
            "--routing.slots: found 4, with routing.table \"maglev\"; allowed: a prime such as 65537, or 0");
  EXPECT_EQ(
      complaints("[routing]\nslots = 4\n", {{"routing.table", "maglev"}}),
      "--routing.table: routing.slots: found 4, with routing.table \"maglev\"; allowed: a prime such as 65537, or 0");
}

TEST(Relation, IsNotHeldAgainstValuesThatAreWrongThemselves) {
  EXPECT_EQ(
      complaints("[replicas]\nruntime = \"static\"\n[admin]\nlisten = \"here\"\n"),
      "a.toml:4:10: admin.listen: found \"here\"; allowed: an address such as \"127.0.0.1:5001\", \"[::1]:5001\" or "
      "\"unix:/run/ringmaster.sock\"");
}

}  // namespace
}  // namespace ringmaster::config
