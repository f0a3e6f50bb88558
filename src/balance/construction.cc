#include "balance/construction.h"

#include <algorithm>
#include <array>

namespace ringmaster::balance {
namespace {

// The distinct members met last, the latest first, and no more than `depth` of them.
class Recent {
 public:
  explicit Recent(size_t depth) : depth_(depth) { list_.fill(no_member); }

  void meet(uint16_t member) noexcept {
    if (list_[0] == member) return;
    size_t at = 0;
    while (at < size_ && list_[at] != member) ++at;
    if (at == size_) {
      if (size_ < depth_) ++size_;
      else --at;
    }
    for (; at > 0; --at) list_[at] = list_[at - 1];
    list_[0] = member;
  }
  uint16_t operator[](size_t at) const noexcept { return list_[at]; }

 private:
  std::array<uint16_t, fallbacks_max + 1> list_;
  size_t size_ = 0;
  size_t depth_;
};

}  // namespace

std::vector<uint16_t> ready_indexes(std::span<const Member> members) {
  std::vector<uint16_t> indexes(members.size(), no_member);
  uint16_t next = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i].ready) indexes[i] = next++;
  }
  return indexes;
}

Places clockwise(std::span<const uint16_t> ring, uint16_t ready) {
  Places places;
  places.slots = places.stride = static_cast<uint32_t>(ring.size());
  places.depth = static_cast<uint32_t>(std::min<size_t>(ready, fallbacks_max + 1));
  places.members.resize(size_t{places.slots} * places.depth);

  Recent recent(places.depth);
  std::vector<bool> present(ready, false);
  for (const uint16_t member : ring) {
    if (member != no_member) present[member] = true;
  }
  for (uint16_t member = ready; member-- > 0;) {
    if (!present[member]) recent.meet(member);
  }
  // The first round only fills the list for the positions just before the ring's end.
  for (size_t s = ring.size(); s-- > 0;) {
    if (ring[s] != no_member) recent.meet(ring[s]);
  }
  for (size_t s = ring.size(); s-- > 0;) {
    if (ring[s] != no_member) recent.meet(ring[s]);
    for (size_t d = 0; d < places.depth; ++d) places.members[d * ring.size() + s] = recent[d];
  }
  return places;
}

}  // namespace ringmaster::balance
