// The ketama table against what a real nginx did (ketama_golden.txt, made by golden_ketama.py).
#include <fstream>

#include "support.h"

namespace ringmaster::balance {
namespace {

struct Golden {
  std::string name;
  Builder builder{settings_for(TableKind::ketama)};
  std::vector<std::string> servers;
  std::vector<std::pair<std::string, size_t>> keys;
};

std::vector<Golden> read_golden() {
  std::vector<Golden> cases;
  std::ifstream file(KETAMA_GOLDEN);
  std::string line;
  while (std::getline(file, line)) {
    const size_t first = line.find(' '), second = line.find(' ', first + 1), third = line.find(' ', second + 1);
    if (line.starts_with("case ")) {
      cases.emplace_back().name = line.substr(5);
    } else if (line.starts_with("server ")) {
      Golden& golden = cases.back();
      golden.servers.push_back(line.substr(third + 1));
      const auto weight = static_cast<uint32_t>(std::stoul(line.substr(second + 1)));
      EXPECT_TRUE(golden.builder.join(golden.servers.back(), weight));
      golden.builder.set_ready(golden.servers.back(), line.substr(first + 1, second - first - 1) == "up");
    } else if (line.starts_with("key ")) {
      cases.back().keys.emplace_back(line.substr(second + 1), std::stoul(line.substr(first + 1)));
    }
  }
  return cases;
}

TEST(Ketama, SendsEveryKeyWhereNginxDid) {
  auto cases = read_golden();
  ASSERT_EQ(cases.size(), 6u);
  for (Golden& golden : cases) {
    ASSERT_GT(golden.keys.size(), golden.name == "collisions" ? 5u : 400u);
    const Table table = golden.builder.build();
    for (const auto& [key, server] : golden.keys) {
      ASSERT_EQ(owner_name(table, table.slot_of(key)), golden.servers[server]) << golden.name << ", key " << key;
    }
  }
}

TEST(Ketama, HasAHundredAndSixtyPointsForEachWeight) {
  Builder builder(settings_for(TableKind::ketama));
  join_ready(builder, "10.0.0.1:80", 1);
  join_ready(builder, "10.0.0.2:80", 3);
  EXPECT_EQ(builder.build().slots(), 640u);
  builder.set_ready("10.0.0.2:80", false);
  EXPECT_EQ(builder.build().slots(), 640u);   // keeps its place
  builder.leave("10.0.0.2:80");
  EXPECT_EQ(builder.build().slots(), 160u);
}

TEST(Ketama, WeightSetLaterIsTheSameAsWeightAtTheBeginning) {
  Builder early(settings_for(TableKind::ketama)), late(settings_for(TableKind::ketama));
  for (Builder* builder : {&early, &late}) join_ready(*builder, "10.0.0.1:80", 2);
  join_ready(early, "10.0.0.2:80", 5);
  join_ready(late, "10.0.0.2:80", 1);
  late.build();
  ASSERT_TRUE(late.set_weight("10.0.0.2:80", 9));
  late.build();
  ASSERT_TRUE(late.set_weight("10.0.0.2:80", 5));
  EXPECT_EQ(early.build().digest(), late.build().digest());
}

TEST(Ketama, RefusesMorePointsThanItsBoundAndChangesNothing) {
  Builder builder(settings_for(TableKind::ketama));
  join_ready(builder, "a", 20000);
  EXPECT_EQ(builder.join("b", 20000).error().kind, ErrorKind::full);
  EXPECT_EQ(builder.set_weight("a", 30000).error().kind, ErrorKind::full);
  ASSERT_TRUE(builder.set_weight("a", 1));
  EXPECT_EQ(builder.build().slots(), 160u);
}

}  // namespace
}  // namespace ringmaster::balance
