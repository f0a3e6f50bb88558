// The rendezvous table: against the definition computed slot by slot, its balance, and its promises on movement.
#include <array>
#include <cmath>

#include "balance/lanes.h"
#include "balance/race.h"
#include "support.h"

namespace ringmaster::balance {
namespace {

struct Entry {
  float time;
  const Racer* racer;
  std::string name;
};

// Every member's time at one slot, in order: what the table must be the beginning of.
std::vector<Entry> by_definition(const Race& race, const std::vector<std::pair<std::string, Racer>>& members,
                                 uint32_t slot) {
  std::vector<Entry> entries;
  for (const auto& [name, racer] : members) {
    entries.push_back({race.time(racer, race.stratum(racer, slot)), &racer, name});
  }
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
    return a.time != b.time ? a.time < b.time : a.racer->precedes(*b.racer);
  });
  return entries;
}

void expect_definition(uint32_t slots, size_t members, uint32_t weight_most, size_t* equal_times = nullptr) {
  std::mt19937_64 random(members * 31 + weight_most);
  Builder builder({.slots = slots});
  const Race race(slots);
  std::vector<std::pair<std::string, Racer>> racers;
  for (size_t i = 0; i < members; ++i) {
    const std::string name = std::string("replica-").append(std::to_string(random()));
    const auto weight = static_cast<uint32_t>(1 + random() % weight_most);
    join_ready(builder, name, weight);
    racers.emplace_back(name, race.enter(i + 1, name, weight));
  }
  const Table table = builder.build();
  for (uint32_t slot = 0; slot < slots; ++slot) {
    const auto entries = by_definition(race, racers, slot);
    const auto names = names_at(table, slot);
    ASSERT_EQ(names.size(), std::min<size_t>(members, fallbacks_max + 1));
    for (size_t i = 0; i < names.size(); ++i) {
      ASSERT_EQ(names[i], entries[i].name) << "slot " << slot << " place " << i << " of " << members << " members";
      if (equal_times != nullptr && i > 0) *equal_times += entries[i].time == entries[i - 1].time;
    }
  }
}

TEST(Rendezvous, IsTheDefinitionForFewAndManyMembers) {
  for (const size_t members : {1, 2, 3, 8, 9, 10, 12, 13, 14, 16, 17, 40, 300}) expect_definition(1024, members, 1);
}

TEST(Rendezvous, IsTheDefinitionForUnlikeWeights) {
  for (const size_t members : {3, 12, 16, 17, 60}) {
    expect_definition(1024, members, 5);
    expect_definition(1024, members, 65535);
  }
}

TEST(Rendezvous, IsTheDefinitionForSlotsThatAreNoPowerOfTwo) {
  for (const uint32_t slots : {1u, 2u, 3u, 255u, 257u, 1000u, 1025u}) {
    expect_definition(slots, 3, 1);
    expect_definition(slots, 14, 2);
    expect_definition(slots, 20, 3);
  }
}

// Of two whose logarithms do not tell them apart the times decide: there are thousands of such slots here.
TEST(Rendezvous, IsTheDefinitionWhereTimesAreClose) {
  for (const size_t members : {2, 3, 4, 5, 16}) {
    for (const uint32_t weight_most : {1u, 2u, 9u, 1000u, 65535u}) expect_definition(65536, members, weight_most);
  }
  expect_definition(slots_max, 4, 3);
}

TEST(Rendezvous, EqualTimesAreDecidedByTheNames) {
  size_t equal_times = 0;
  for (size_t members = 8; members <= 18; members += 2) expect_definition(65536, members, 1, &equal_times);
  expect_definition(65536, 60, 1, &equal_times);
  EXPECT_GT(equal_times, 0u);   // otherwise this proves nothing
}

TEST(Race, StrataArePermutedAndBack) {
  for (const uint32_t slots : {1u, 1000u, 1025u, 65536u, 100000u}) {
    const Race race(slots);
    const Racer racer = race.enter(1, "S1", 1);
    std::vector<bool> seen(race.strata(), false);
    for (uint32_t stratum = 0; stratum < race.strata(); ++stratum) {
      const uint32_t slot = race.slot(racer, stratum);
      ASSERT_LT(slot, race.strata());
      ASSERT_FALSE(seen[slot]);
      seen[slot] = true;
      ASSERT_EQ(race.stratum(racer, slot), stratum);
    }
  }
}

TEST(Race, TimesRiseWithTheStrataAndFallWithTheWeight) {
  const Race race(65536);
  const Racer light = race.enter(1, "S1", 3), heavy = race.enter(1, "S1", 4);
  for (uint32_t stratum = 0; stratum < race.strata(); ++stratum) {
    const float time = race.time(light, stratum);
    ASSERT_LT(race.time(heavy, stratum), time);
    ASSERT_LE(race.end_stratum(light, time), race.strata());
    ASSERT_GT(race.end_stratum(light, time), stratum);
    if (stratum > 0) {
      ASSERT_GE(time, race.time(light, stratum - 1));
    }
    const double u = (stratum + 0.5) / race.strata();
    if (stratum + 1 < race.strata()) {
      ASSERT_NEAR(time * 3, -std::log1p(-u), 0.5 / (race.strata() * (1 - u) - 0.5) + 1e-5);   // half a stratum
    }
  }
}

TEST(Race, BlocksOfTimesAreTheTimes) {
  const Race race(1000);
  const Racer racer = race.enter(1, "S1", 7);
  float times[256];
  race.times<256>(racer, 512, times);
  for (uint32_t i = 0; i < 256; ++i) ASSERT_EQ(times[i], race.time(racer, race.stratum(racer, 512 + i)));
}

// What few racers are compared by: lanes.h says how far off it may be.
TEST(Race, LogarithmsOfTheNumbersAreRoundedDown) {
  for (const uint32_t slots : {1000u, 65536u, slots_max}) {
    const Race race(slots);
    const Racer racer = race.enter(1, "S1", 1);
    float numbers[lanes];
    int16_t logs[lanes];
    for (uint32_t first = 0; first < slots; first += lanes) {
      race.numbers<lanes>(racer, first, numbers);
      take_logarithms(numbers, logs);
      for (uint32_t i = 0; i < lanes; ++i) {
        const double steps = (std::log2(double{numbers[i]}) - double{middle_octave}) * double{steps_per_octave};
        ASSERT_LE(logs[i] + 16 * steps_per_octave, INT16_MAX - certain_steps);   // the greatest handicap
        if (race.stratum(racer, first + i) == 0) continue;
        ASSERT_GT(logs[i], too_low);
        ASSERT_GE(steps, logs[i] - 0.04) << numbers[i];
        ASSERT_LT(steps, logs[i] + 1.04) << numbers[i];
      }
    }
  }
  EXPECT_GE(too_low - 16 * steps_per_octave, INT16_MIN);
  float numbers[lanes] = {0, 1e-12F};
  int16_t logs[lanes];
  take_logarithms(numbers, logs);
  EXPECT_EQ(logs[0], too_low);
  EXPECT_EQ(logs[1], too_low);
}

TEST(Rendezvous, SharesAreWithinTheBoundsOfBinomialChance) {
  std::mt19937_64 random(42);
  for (int round = 0; round < 30; ++round) {
    const size_t members = 2 + random() % 15;
    Builder builder{TableSettings{}};
    std::vector<uint32_t> weights;
    for (size_t i = 0; i < members; ++i) {
      weights.push_back(round % 2 == 0 ? 1 : static_cast<uint32_t>(1 + random() % 10));
      join_ready(builder, std::string("r").append(std::to_string(random())), weights.back());
    }
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    const auto counts = slots_owned(builder.build());
    for (size_t i = 0; i < members; ++i) {
      const double share = weights[i] / sum, sigma = std::sqrt(65536 * share * (1 - share));
      EXPECT_LT(std::abs(counts[i] / 65536.0 - share), 0.02);
      EXPECT_LT(std::abs(counts[i] - 65536 * share), 4.5 * sigma);
    }
  }
}

// race.h says why; were the permutations of two members related, this would be the first to show it.
TEST(Rendezvous, SharesStrayLessThanIndependentDrawsWould) {
  std::mt19937_64 random(43);
  for (const auto& [members, at_most] : std::vector<std::pair<size_t, double>>{{2, 0.55}, {6, 0.65}, {50, 0.65}}) {
    double chi_square = 0;
    size_t drawn = 0;
    for (; drawn < 200; drawn += members) {
      Builder builder{TableSettings{}};
      for (size_t i = 0; i < members; ++i) join_ready(builder, std::to_string(random()));
      const double mean = 65536.0 / static_cast<double>(members);
      const double variance = mean * (1 - 1 / static_cast<double>(members));
      for (const uint32_t count : slots_owned(builder.build())) {
        chi_square += (count - mean) * (count - mean) / variance;
      }
    }
    EXPECT_LT(chi_square / static_cast<double>(drawn), at_most) << members;
  }
}

TEST(Rendezvous, SlotsOfALeavingMemberAreSpreadEvenlyOverTheOthers) {
  Builder builder = builder_of(TableSettings{}, 6);
  const Table before = builder.build();
  builder.leave("S2");
  const Table after = builder.build();
  std::vector<double> inherited(5, 0);
  for (uint32_t slot = 0; slot < 65536; ++slot) {
    if (owner_name(before, slot) == "S2") ++inherited[after.owner(slot)];
  }
  const double total = std::accumulate(inherited.begin(), inherited.end(), 0.0), mean = total / 5;
  for (const double count : inherited) EXPECT_LT(std::abs(count - mean), 4.5 * std::sqrt(mean * 0.8));
}

// Whatever happened before, the table is that of a new builder with the same ready members in any order.
void expect_history_does_not_matter(uint32_t slots, size_t members_most, int steps, uint64_t seed) {
  std::mt19937_64 random(seed);
  Builder builder({.slots = slots});
  struct Known {
    std::string name;
    uint32_t weight;
    bool ready;
  };
  std::vector<Known> members;
  uint64_t next_name = 0;
  std::vector<std::string> departed;
  for (int step = 0; step < steps; ++step) {
    for (uint64_t changes = 1 + random() % 3 * (random() % 4 == 0 ? 20 : 1); changes > 0; --changes) {
      const uint64_t what = random() % 8;
      if (members.empty() || (what < 3 && members.size() < members_most)) {
        std::string name = std::string("m").append(std::to_string(next_name++));
        if (!departed.empty() && random() % 2 == 0) {
          name = departed.back();
          departed.pop_back();
        }
        members.push_back({name, static_cast<uint32_t>(1 + random() % 3), random() % 4 != 0});
        ASSERT_TRUE(builder.join(members.back().name, members.back().weight));
        builder.set_ready(members.back().name, members.back().ready);
        continue;
      }
      const size_t which = random() % members.size();
      Known& member = members[which];
      if (what < 5) {
        builder.leave(member.name);
        departed.push_back(member.name);
        members.erase(members.begin() + static_cast<ptrdiff_t>(which));
      } else if (what == 5) {
        member.weight = static_cast<uint32_t>(1 + random() % 3);
        ASSERT_TRUE(builder.set_weight(member.name, member.weight));
      } else {
        member.ready = !member.ready;
        builder.set_ready(member.name, member.ready);
      }
    }
    std::vector<Known> shuffled = members;
    std::ranges::shuffle(shuffled, random);
    Builder fresh({.slots = slots});
    for (const Known& member : shuffled) {
      if (member.ready) join_ready(fresh, member.name, member.weight);
    }
    ASSERT_EQ(builder.build().digest(), fresh.build().digest()) << "seed " << seed << " step " << step;
  }
}

TEST(Rendezvous, TableDoesNotDependOnItsHistory) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    expect_history_does_not_matter(1024, 6, 60, seed);
    expect_history_does_not_matter(1000, 16, 60, seed);
    expect_history_does_not_matter(1000, 24, 60, seed);
    expect_history_does_not_matter(2048, 50, 40, seed);
    expect_history_does_not_matter(512, 400, 30, seed);
  }
  expect_history_does_not_matter(65536, 20, 25, 99);
}

// Single changes among many members, where a change touches the slots one by one.
TEST(Rendezvous, TableOfManyMembersDoesNotDependOnItsHistory) {
  for (const size_t members : {60, 200, 900}) {
    std::mt19937_64 random(members);
    Builder builder = builder_of({.slots = 2000}, members);
    builder.build();
    std::vector<size_t> ready(members);
    std::iota(ready.begin(), ready.end(), size_t{1});
    std::vector<size_t> away;
    for (int step = 0; step < 400; ++step) {
      // Ebb and flow, so that reserves are used up, and those gone last come back first.
      const bool ebb = step / 40 % 2 == 0 && ready.size() > 20;
      for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
        if (away.empty() || (ebb && random() % 4 != 0)) {
          const size_t which = random() % ready.size();
          away.push_back(ready[which]);
          ready.erase(ready.begin() + static_cast<ptrdiff_t>(which));
          builder.set_ready(name_number(away.back()), false);
        } else {
          ready.push_back(away.back());
          away.pop_back();
          builder.set_ready(name_number(ready.back()), true);
        }
      }
      const Table table = builder.build();
      if (step % 10 != 9) continue;
      Builder fresh({.slots = 2000});
      for (const size_t i : ready) join_ready(fresh, name_number(i));
      ASSERT_EQ(table.digest(), fresh.build().digest()) << members << " members, step " << step;
    }
  }
}

// Weights go up and down for long, one at a time and several together, while members come, go and pause now and then:
// each table is that of a new builder. Weights of all sizes, so that members change their places in most slots, in
// some, and in hardly any.
void expect_weights_leave_no_trace(uint32_t slots, size_t members, int steps, uint64_t seed) {
  std::mt19937_64 random(seed);
  constexpr std::array<uint32_t, 8> weights{1, 1, 2, 3, 7, 100, 101, 65535};
  const auto any_weight = [&] { return weights[random() % weights.size()]; };
  std::vector<std::pair<uint32_t, bool>> known(members, {1, true});   // of S1, S2, …: the weight, and whether ready
  Builder builder = builder_of({.slots = slots}, members);
  for (int step = 0; step < steps; ++step) {
    for (uint64_t changes = random() % 6 == 0 ? members : 1; changes > 0; --changes) {
      const size_t which = random() % members;
      const std::string name = name_number(which + 1);
      if (random() % 10 == 0) {
        builder.set_ready(name, known[which].second = !known[which].second);
      } else if (random() % 10 == 0) {
        builder.leave(name);
        known[which] = {any_weight(), true};
        join_ready(builder, name, known[which].first);
      } else {
        known[which].first = any_weight();
        ASSERT_TRUE(builder.set_weight(name, known[which].first));
      }
    }
    const Table table = builder.build();
    if (step % 4 == 3) builder = builder.clone();
    Builder fresh({.slots = slots});
    for (size_t i = 0; i < members; ++i) {
      if (known[i].second) join_ready(fresh, name_number(i + 1), known[i].first);
    }
    ASSERT_EQ(table.digest(), fresh.build().digest()) << members << " members, seed " << seed << " step " << step;
  }
}

TEST(Rendezvous, WeightsLeaveNoTrace) {
  for (const size_t members : {1, 2, 3, 5, 9, 10, 13, 16, 17, 18, 40}) {
    expect_weights_leave_no_trace(1024, members, 150, members);
    expect_weights_leave_no_trace(700, members, 50, members + 100);
  }
  expect_weights_leave_no_trace(65536, 3, 40, 7);
  expect_weights_leave_no_trace(65536, 12, 25, 8);
}

TEST(Rendezvous, ShrinkingFromManyToFewAndBackIsTheSame) {
  Builder builder = builder_of({.slots = 2000}, 200);
  builder.build();
  for (const size_t members : {100, 30, 16, 13, 12, 11, 9, 4, 1, 3, 10, 12, 13, 16, 17, 16, 13, 16, 17, 60}) {
    for (size_t i = 1; i <= 200; ++i) builder.set_ready(name_number(i), i <= members);
    Builder fresh = builder_of({.slots = 2000}, members);
    ASSERT_EQ(builder.build().digest(), fresh.build().digest()) << members;
  }
  for (size_t members = 60; members >= 1; --members) {
    builder.leave(name_number(members + 1));
    builder.set_ready(name_number(members + 1), false);
    Builder fresh = builder_of({.slots = 2000}, members);
    ASSERT_EQ(builder.build().digest(), fresh.build().digest()) << members;
    builder.set_ready(name_number(members), false);
  }
}

TEST(Rendezvous, MoreWeightOnlyGainsSlotsAndMovesNoneBetweenOthers) {
  std::mt19937_64 random(11);
  for (const size_t members : {2, 5, 12, 20, 80}) {
    Builder builder({.slots = 4096});
    for (size_t i = 1; i <= members; ++i) join_ready(builder, name_number(i), static_cast<uint32_t>(1 + random() % 4));
    Table before = builder.build();
    for (uint32_t weight = 5; weight < 60000; weight *= 3) {
      ASSERT_TRUE(builder.set_weight("S2", weight));
      Table after = builder.build();
      uint32_t gained = 0;
      for (uint32_t slot = 0; slot < 4096; ++slot) {
        const auto was = names_at(before, slot), is = names_at(after, slot);
        ASSERT_LE(std::ranges::find(is, "S2") - is.begin(), std::ranges::find(was, "S2") - was.begin());
        if (is[0] != was[0]) {
          ASSERT_EQ(is[0], "S2");
          ++gained;
        }
        const auto others_were = without(was, "S2"), others_are = without(is, "S2");
        const size_t common = std::min(others_were.size(), others_are.size());
        ASSERT_TRUE(std::equal(others_were.begin(), others_were.begin() + static_cast<ptrdiff_t>(common),
                               others_are.begin()));
      }
      if (members > 2) {
        EXPECT_GT(gained, 0u);
      }
      before = std::move(after);
    }
  }
}

}  // namespace
}  // namespace ringmaster::balance
