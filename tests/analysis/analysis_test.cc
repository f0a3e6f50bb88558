// The simulator's tables of others, and its studies, where the right answer is known.
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "studies.h"
#include "subject.h"

namespace ringmaster::analysis {
namespace {

std::unique_ptr<Subject> with(const std::string& table, uint32_t replicas) {
  auto subject = Subject::make(table);
  for (uint32_t number = 0; number < replicas; ++number) subject->join(number, 1 + number % 3);
  subject->build();
  return subject;
}

// Two pieces of code for one construction; ours is held to a real nginx by the tests of balance.
TEST(Others, NginxIsOurKetamaKeyForKey) {
  const Keys keys(5, 20'000, 1);
  const auto nginx = with("nginx", 50), ketama = with("ketama", 50);
  for (const std::string& key : keys.keys) ASSERT_EQ(nginx->owner(key), ketama->owner(key)) << key;
}

TEST(Others, EachGivesWeightsTheirShare) {
  const Keys keys(6, 60'000, 1);
  for (const char* table : {"nginx", "haproxy-100", "envoy-ring", "envoy-maglev", "rendezvous", "maglev"}) {
    const auto subject = with(table, 3);
    std::map<uint32_t, double> shares;
    for (const std::string& key : keys.keys) shares[subject->owner(key)] += 1.0 / 60'000;
    for (uint32_t number = 0; number < 3; ++number) EXPECT_NEAR(shares[number], (number + 1) / 6.0, 0.04) << table;
  }
}

TEST(Others, ReplicasThatFailOrLeaveOwnNothing) {
  const Keys keys(7, 2000, 1);
  for (const std::string& table : Subject::tables()) {
    const auto subject = with(table, 6);
    subject->fail(1);
    subject->leave(4);
    subject->build();
    for (const std::string& key : keys.keys) {
      ASSERT_NE(subject->owner(key), 1u) << table;
      ASSERT_NE(subject->owner(key), 4u) << table;
    }
  }
}

TEST(Studies, TheIdsAreTheAssignmentsGoldenNumbers) {
  EXPECT_EQ(study_ids("assignment", 3)["ids"], Json::array({759374, 42187, 98439}));
  EXPECT_EQ(study_ids("assignment", 6)["ids"], Json::array({710155, 28125, 84376, 28124, 42188, 7032}));
}

TEST(Studies, OneSizeSaysWhatIsKnown) {
  const Keys keys(8, 50'000, 1.1);
  const Json rendezvous = study_size("rendezvous", 10, keys);
  EXPECT_LT(rendezvous["even_keys"]["max_over_mean"], 1.06);
  EXPECT_EQ(rendezvous["leave"]["collateral"], 0);
  EXPECT_NEAR(rendezvous["join"]["moved"], 1.0 / 11, 0.01);
  const Json modulo = study_size("modulo", 10, keys);
  EXPECT_NEAR(modulo["leave"]["moved"], 0.9, 0.01);
  EXPECT_NEAR(modulo["leave"]["collateral"], 0.8, 0.01);
  EXPECT_EQ(study_failure("rendezvous", 10, keys, 1)["failed"], 3);
}

TEST(Studies, OneWorkerKeepsTheBoundExactly) {
  const Keys hot(9, 2000, 1.2);
  const Json bounded = study_bound(10, 1, 150, 100, hot, 1);
  EXPECT_LE(bounded["largest_over_mean"], 1.5);
  EXPECT_EQ(bounded["overstepped_by"], 0);
  EXPECT_LT(bounded["served_by_owner"], 1);
  const Json many = study_bound(60, 1, 110, 600, hot, 1);   // most of whom no slot lists
  EXPECT_LE(many["largest_over_mean"], 1.1);
  EXPECT_EQ(many["overstepped_by"], 0);
  const Json free = study_bound(10, 1, 0, 100, hot, 1);
  EXPECT_GT(free["largest_over_mean"], 2);
  EXPECT_EQ(free["served_by_owner"], 1);
}

}  // namespace
}  // namespace ringmaster::analysis
