// Ketama as nginx does it: `hash KEY consistent` of ngx_http_upstream_hash_module, after Cache::Memcached::Fast.
//
// A member of weight w has 160 x w points on a ring of 2^32: the first is CRC-32 of HOST, a zero byte, PORT and four
// zero bytes; each next one has the previous point, as four little-endian bytes, in their place. HOST and PORT come
// from the name: digits after the last colon are the port ("10.0.0.1:8080"), "unix:" is cut off, and any other name is
// all host. So keys go where an nginx sends them whose `server` lines carry the members' names; the tests hold the
// table to what a real nginx did. A key goes to the first point at or after its own CRC-32, round the ring. Of points
// with equal hashes that of the member that joined first stays, so names should join in the order of the `server` lines
// (two orders differ in a handful of points once there are hundreds of members). The empty key, for which nginx takes
// turns, is hashed like any other.
//
// A member that is not ready is passed over to the next point of another, as nginx passes over a server that is down
// (nginx gives up after 20 points and takes any; here the search goes on). Balance: shares are 5-10 % off at weight 1,
// since 160 points are a small sample. Movement: a leaving member's keys only. Cost: O(points x log points) for new
// members' points, O(points) otherwise, 34 bytes a point with its table; a look-up starts at an index by the hash's
// upper bits and goes on for about one point.
#pragma once

#include "balance/construction.h"

namespace ringmaster::balance {

class Ketama final : public Construction {
 public:
  Result<void> join(const Member& member) override;
  void leave(const Member& member) override;
  Result<void> reweigh(const Member& member, uint32_t weight) override;
  Places places(std::span<const Member> members) override;
  std::unique_ptr<Construction> clone() const override { return std::make_unique<Ketama>(*this); }

 private:
  struct Point {
    uint32_t hash;
    uint32_t seat;   // into seats_
  };
  static constexpr uint64_t points_for_weight = 160;

  uint32_t seat_of(const Member& member);
  void add_points(const Member& member, uint64_t first, uint64_t end);
  void drop_points(uint32_t seat);

  std::vector<uint64_t> seats_;   // the numbers of the members that have points; 0: free
  std::vector<Point> points_;     // sorted as far as sorted_, by hash and then by number
  size_t sorted_ = 0;
};

}  // namespace ringmaster::balance
