#include "balance/ketama.h"

#include <strings.h>

#include <algorithm>

#include "balance/crc32.h"

namespace ringmaster::balance {
namespace {

struct HostPort {
  std::string_view host, port;
};

HostPort split(std::string_view name) noexcept {
  if (name.size() >= 5 && strncasecmp(name.data(), "unix:", 5) == 0) return {name.substr(5), {}};
  const size_t last_other = name.find_last_not_of("0123456789");
  if (last_other == std::string_view::npos || name[last_other] != ':') return {name, {}};
  return {name.substr(0, last_other), name.substr(last_other + 1)};
}

}  // namespace

// The member's own, or a free one.
uint32_t Ketama::seat_of(const Member& member) {
  auto seat = std::ranges::find(seats_, member.number);
  if (seat == seats_.end()) seat = std::ranges::find(seats_, 0u);
  if (seat == seats_.end()) seat = seats_.insert(seat, 0);
  *seat = member.number;
  return static_cast<uint32_t>(seat - seats_.begin());
}

// Points first..end - 1 of the chain; it has to be run from its beginning.
void Ketama::add_points(const Member& member, uint64_t first, uint64_t end) {
  const HostPort name = split(member.name);
  uint32_t base = crc32_more(crc32_start, name.host);
  base = crc32_more(base, std::string_view("\0", 1));
  base = crc32_more(base, name.port);
  const uint32_t seat = seat_of(member);
  uint32_t previous = 0;
  for (uint64_t k = 0; k < end; ++k) {
    const char bytes[4] = {static_cast<char>(previous), static_cast<char>(previous >> 8),
                           static_cast<char>(previous >> 16), static_cast<char>(previous >> 24)};
    previous = crc32_finish(crc32_more(base, std::string_view(bytes, 4)));
    if (k >= first) points_.push_back({previous, seat});
  }
}

Result<void> Ketama::join(const Member& member) {
  const uint64_t count = points_for_weight * member.weight;
  if (points_.size() + count > points_max) return std::unexpected(Error{ErrorKind::full, 0, "place ketama points"});
  add_points(member, 0, count);
  return {};
}

void Ketama::leave(const Member& member) {
  const uint32_t seat = seat_of(member);
  drop_points(seat);
  seats_[seat] = 0;
}

void Ketama::drop_points(uint32_t seat) {
  const auto gone = [&](const Point& point) { return point.seat == seat; };
  const auto sorted_end = points_.begin() + static_cast<ptrdiff_t>(sorted_);
  sorted_ -= static_cast<size_t>(std::count_if(points_.begin(), sorted_end, gone));
  std::erase_if(points_, gone);
}

Result<void> Ketama::reweigh(const Member& member, uint32_t weight) {
  const uint64_t old_count = points_for_weight * member.weight, count = points_for_weight * weight;
  if (points_.size() - old_count + count > points_max) {
    return std::unexpected(Error{ErrorKind::full, 0, "place ketama points"});
  }
  if (count >= old_count) {
    add_points(member, old_count, count);
  } else {
    drop_points(seat_of(member));
    add_points(member, 0, count);
  }
  return {};
}

Places Ketama::places(std::span<const Member> members) {
  const auto earlier = [&](const Point& a, const Point& b) {
    return a.hash != b.hash ? a.hash < b.hash : seats_[a.seat] < seats_[b.seat];
  };
  const auto middle = points_.begin() + static_cast<ptrdiff_t>(sorted_);
  std::sort(middle, points_.end(), earlier);
  std::vector<Point> merged(points_.size());
  std::merge(points_.begin(), middle, middle, points_.end(), merged.begin(), earlier);
  points_ = std::move(merged);
  sorted_ = points_.size();

  const std::vector<uint16_t> indexes = ready_indexes(members);
  const auto ready = static_cast<uint16_t>(members.size() - std::ranges::count(indexes, no_member));
  std::vector<uint16_t> index_of_seat(seats_.size(), no_member);
  for (size_t seat = 0; seat < seats_.size(); ++seat) {
    const auto member = std::ranges::lower_bound(members, seats_[seat], {}, &Member::number);
    if (seats_[seat] != 0) index_of_seat[seat] = indexes[static_cast<size_t>(member - members.begin())];
  }

  std::vector<uint32_t> hashes;
  std::vector<uint16_t> ring;
  hashes.reserve(points_.size());
  ring.reserve(points_.size());
  for (const Point& point : points_) {
    if (!hashes.empty() && hashes.back() == point.hash) continue;
    hashes.push_back(point.hash);
    ring.push_back(index_of_seat[point.seat]);
  }
  Places places = clockwise(ring, ready);
  places.points = std::move(hashes);
  return places;
}

}  // namespace ringmaster::balance
