// A table under study: the product's own kinds, by the product's own library, and the constructions of others, written
// here from their documentation and sources' descriptions.
//
//   modulo         hash modulo the number of replicas: what consistent hashing was invented against
//   nginx          `hash KEY consistent`: 160 points a weight, CRC-32; the next point clockwise
//   haproxy        `hash-type consistent` as it comes: 16 points at weight 1, sdbm and full_hash; the nearest point
//   haproxy-100    the same with `weight 100` on every server: 1,600 points
//   envoy-ring     `ring_hash` with its minimum_ring_size of 1,024: XXH64; points for each host by its share
//   envoy-maglev   `maglev`, 65,537 slots: the paper's fill with XXH64, from nothing at each change
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::analysis {

// Replicas are numbered by the caller; a number stands for one name and is never used twice.
class Subject {
 public:
  virtual ~Subject() = default;
  // The subject's name, or "" for none. `most` replicas will be the most.
  static std::unique_ptr<Subject> make(std::string_view table);
  static const std::vector<std::string>& tables();

  // How many replicas it has room for; studies leave larger numbers out.
  virtual uint32_t replicas_max() const = 0;
  virtual void join(uint32_t number, uint32_t weight) = 0;
  virtual void leave(uint32_t number) = 0;    // an operator removes it
  virtual void fail(uint32_t number) = 0;     // it is down, and may come back
  virtual void reweigh(uint32_t number, uint32_t weight) = 0;
  virtual void build() = 0;                   // look-ups answer for what has been said until now
  virtual uint32_t owner(std::string_view key) const = 0;
  virtual size_t bytes() const = 0;           // of what a look-up needs
};

// "10.1.2.3:8080" for the proxies that hash addresses; also the name of ours.
std::string address_of(uint32_t number);

}  // namespace ringmaster::analysis
