#include "admin/names.h"

#include <gtest/gtest.h>

#include <set>

namespace ringmaster::admin {
namespace {

TEST(Names, AreContainerNames) {
  for (const char* good : {"a", "S5", "Server1", "0", "a-b", "A--b9", "server_4", "web.2", "a_", "b-", "c..d"}) {
    EXPECT_TRUE(valid_name(good)) << good;
  }
  EXPECT_TRUE(valid_name(std::string(63, 'x')));
  EXPECT_FALSE(valid_name(std::string(64, 'x')));
  for (const char* bad : {"", "-a", "_a", ".a", "a b", "a/b", "a:1", "ä", "a\n", "../x", "Server 4"}) {
    EXPECT_FALSE(valid_name(bad)) << bad;
  }
  EXPECT_FALSE(valid_name(std::string_view("a\0b", 3)));
}

TEST(Names, MadeByChanceAreValidAndUnused) {
  NameMaker maker(7);
  std::set<std::string, std::less<>> seen;
  for (int i = 0; i < 2000; ++i) {
    const std::string name = maker.make([&](std::string_view candidate) { return seen.contains(candidate); });
    EXPECT_TRUE(valid_name(name));
    EXPECT_TRUE(seen.insert(name).second);
  }
}

TEST(Names, ThatAreTakenAreNotMade) {
  const std::string first = NameMaker(3).make([](std::string_view) { return false; });
  const std::string other = NameMaker(3).make([&](std::string_view name) { return name == first; });
  EXPECT_NE(other, first);
}

}  // namespace
}  // namespace ringmaster::admin
