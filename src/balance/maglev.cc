#include "balance/maglev.h"

#include <algorithm>
#include <queue>
#include <tuple>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ringmaster::balance {

bool is_prime(uint32_t number) noexcept {
  if (number < 4) return number > 1;
  if (number % 2 == 0) return false;
  for (uint32_t divisor = 3; uint64_t{divisor} * divisor <= number; divisor += 2) {
    if (number % divisor == 0) return false;
  }
  return true;
}

Result<void> Maglev::join(const Member&) {
  stale_ = true;
  return {};
}

void Maglev::leave(const Member&) { stale_ = true; }

Result<void> Maglev::reweigh(const Member&, uint32_t) {
  stale_ = true;
  return {};
}

void Maglev::lay_out(std::span<const Member> members) {
  struct Player {
    uint64_t hash;
    uint32_t next, skip;   // the slot that it would take, and the step to the one after
    uint64_t turns;
    uint16_t index;
  };
  std::vector<Player> players;
  uint64_t heaviest = 1;
  for (size_t i = 0; i < members.size(); ++i) {
    const XXH128_hash_t hash = XXH3_128bits(members[i].name.data(), members[i].name.size());
    players.push_back({hash.low64, static_cast<uint32_t>(hash.low64 % slots_),
                       static_cast<uint32_t>(hash.high64 % (slots_ - 1) + 1), 0, static_cast<uint16_t>(i)});
    heaviest = std::max<uint64_t>(heaviest, members[i].weight);
  }
  std::ranges::sort(players, [&](const Player& a, const Player& b) {
    return std::tie(a.hash, members[a.index].name) < std::tie(b.hash, members[b.index].name);
  });

  using Turn = std::pair<uint64_t, uint32_t>;   // the round, the player: the order of turns
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns;
  const auto push_next_turn = [&](uint32_t player) {
    const uint64_t weight = members[players[player].index].weight;
    turns.emplace((++players[player].turns * heaviest + weight - 1) / weight, player);
  };
  for (uint32_t player = 0; player < players.size(); ++player) push_next_turn(player);

  layout_.assign(slots_, no_member);
  for (uint32_t taken = 0; taken < slots_; ++taken) {
    const uint32_t turn = turns.top().second;
    turns.pop();
    Player& player = players[turn];
    while (layout_[player.next] != no_member) player.next = (player.next + player.skip) % slots_;
    layout_[player.next] = player.index;
    push_next_turn(turn);
  }
  stale_ = false;
}

Places Maglev::places(std::span<const Member> members) {
  if (stale_) lay_out(members);
  const std::vector<uint16_t> indexes = ready_indexes(members);
  const auto ready = static_cast<uint16_t>(members.size() - std::ranges::count(indexes, no_member));
  std::vector<uint16_t> ring(slots_);
  std::ranges::transform(layout_, ring.begin(), [&](uint16_t member) { return indexes[member]; });
  return clockwise(ring, ready);
}

}  // namespace ringmaster::balance
