// Other proxies' tables, built from nothing for the replicas that are up.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "balance/crc32.h"
#include "subject.h"

namespace ringmaster::analysis {

namespace {

struct Host {
  uint32_t number;
  uint32_t weight;
  bool up = true;
};

// What they have in common: the list of hosts.
class Other : public Subject {
 public:
  uint32_t replicas_max() const override { return 10'001; }
  void join(uint32_t number, uint32_t weight) override { hosts_.push_back({number, weight}); }
  void leave(uint32_t number) override {
    std::erase_if(hosts_, [&](const Host& host) { return host.number == number; });
  }
  void fail(uint32_t number) override { find(number).up = false; }
  void reweigh(uint32_t number, uint32_t weight) override { find(number).weight = weight; }

 protected:
  Host& find(uint32_t number) { return *std::ranges::find(hosts_, number, &Host::number); }
  std::vector<Host> up() const {
    std::vector<Host> list;
    std::ranges::copy_if(hosts_, std::back_inserter(list), &Host::up);
    return list;
  }
  std::vector<Host> hosts_;
};

class Modulo final : public Other {
 public:
  void build() override { list_ = up(); }
  uint32_t owner(std::string_view key) const override {
    return list_[XXH64(key.data(), key.size(), 0) % list_.size()].number;
  }
  size_t bytes() const override { return list_.size() * sizeof(Host); }

 private:
  std::vector<Host> list_;
};

// Points on a ring, ascending.
template <class Hash>
class Ring : public Other {
 public:
  size_t bytes() const override { return points_.size() * sizeof(Point); }

 protected:
  struct Point {
    Hash hash;
    uint32_t number;
    bool operator<(const Point& other) const { return hash < other.hash; }
  };
  // Of equal hashes the replica that joined first comes first.
  void finish() {
    std::ranges::sort(points_, [](const Point& a, const Point& b) {
      return a.hash != b.hash ? a.hash < b.hash : a.number < b.number;
    });
  }
  // The first at or after the hash, round the ring.
  const Point& after(Hash hash) const {
    const auto found = std::lower_bound(points_.begin(), points_.end(), Point{hash, 0});
    return found == points_.end() ? points_.front() : *found;
  }
  std::vector<Point> points_;
};

// ngx_http_upstream_hash_module: CRC-32 of host, zero byte, port, and the previous hash as four little-endian bytes.
class Nginx final : public Ring<uint32_t> {
 public:
  void build() override {
    points_.clear();
    for (const Host& host : up()) {
      const std::string address = address_of(host.number);
      const size_t colon = address.rfind(':');
      std::string text = address.substr(0, colon) + '\0' + address.substr(colon + 1);
      const size_t base = text.size();
      uint32_t previous = 0;
      for (uint32_t i = 0; i < 160 * host.weight; ++i) {
        text.resize(base);
        for (uint32_t shift = 0; shift < 32; shift += 8) text += static_cast<char>(previous >> shift & 255);
        previous = balance::crc32(text);
        points_.push_back({previous, host.number});
      }
    }
    finish();
    const auto same = [](const Point& a, const Point& b) { return a.hash == b.hash; };
    points_.erase(std::unique(points_.begin(), points_.end(), same), points_.end());
  }
  uint32_t owner(std::string_view key) const override { return after(balance::crc32(key)).number; }
};

// lb_chash.c: nodes at full_hash(id x 4096 + i), i below 16 x weight; the nearest node of either side.
class Haproxy final : public Ring<uint32_t> {
 public:
  explicit Haproxy(uint32_t weight) : weight_(weight) {}
  // 16 million points take longer than they tell.
  uint32_t replicas_max() const override { return weight_ == 1 ? 10'001 : 1'001; }
  void build() override {
    points_.clear();
    for (const Host& host : up()) {
      for (uint32_t i = 0; i < 16 * weight_ * host.weight; ++i) {
        points_.push_back({full_hash((host.number + 1) * 4096 + i), host.number});
      }
    }
    finish();
  }
  uint32_t owner(std::string_view key) const override {
    uint32_t hash = 0;
    for (const char c : key) hash = static_cast<unsigned char>(c) + (hash << 6) + (hash << 16) - hash;
    hash = full_hash(hash);
    const auto next = std::lower_bound(points_.begin(), points_.end(), Point{hash, 0});
    const Point& clockwise = next == points_.end() ? points_.front() : *next;
    const Point& before = next == points_.begin() ? points_.back() : *(next - 1);
    return hash - before.hash <= clockwise.hash - hash ? before.number : clockwise.number;
  }

 private:
  // A full avalanche of 32 bits (R. Jenkins), times a prime near three quarters of the ring.
  static uint32_t full_hash(uint32_t a) {
    a = (a + 0x7ed55d16) + (a << 12);
    a = (a ^ 0xc761c23c) ^ (a >> 19);
    a = (a + 0x165667b1) + (a << 5);
    a = (a + 0xd3a2646c) ^ (a << 9);
    a = (a + 0xfd7046c5) + (a << 3);
    a = (a ^ 0xb55a4f09) ^ (a >> 16);
    return a * 3221225473u;
  }
  const uint32_t weight_;
};

std::vector<double> normalized(const std::vector<Host>& hosts) {
  double sum = 0;
  for (const Host& host : hosts) sum += host.weight;
  std::vector<double> weights;
  for (const Host& host : hosts) weights.push_back(host.weight / sum);
  return weights;
}

// The ring grows until the lightest host has a whole number of points, and at least 1,024 are there.
class EnvoyRing final : public Ring<uint64_t> {
 public:
  void build() override {
    points_.clear();
    const std::vector<Host> hosts = up();
    const std::vector<double> weights = normalized(hosts);
    const double lightest = *std::ranges::min_element(weights);
    const double scale = std::min(std::ceil(lightest * ring_min) / lightest, ring_max);
    double current = 0, target = 0;
    for (size_t i = 0; i < hosts.size(); ++i) {
      const std::string prefix = address_of(hosts[i].number) + '_';
      target += scale * weights[i];
      for (uint64_t k = 0; current < target; ++k, ++current) {
        const std::string text = prefix + std::to_string(k);
        points_.push_back({XXH64(text.data(), text.size(), 0), hosts[i].number});
      }
    }
    finish();
  }
  uint32_t owner(std::string_view key) const override { return after(XXH64(key.data(), key.size(), 0)).number; }

 private:
  static constexpr double ring_min = 1024, ring_max = 8 * 1024 * 1024;
};

class EnvoyMaglev final : public Other {
 public:
  void build() override {
    const std::vector<Host> hosts = up();
    const std::vector<double> weights = normalized(hosts);
    const double heaviest = *std::ranges::max_element(weights);
    struct Turn {
      uint64_t offset, skip, next = 0;
      double target = 0;
    };
    std::vector<Turn> turns;
    for (const Host& host : hosts) {
      const std::string name = address_of(host.number);
      const uint64_t skip = XXH64(name.data(), name.size(), 1) % (slots - 1) + 1;
      turns.push_back({XXH64(name.data(), name.size(), 0) % slots, skip});
    }
    table_.assign(slots, UINT32_MAX);
    uint64_t filled = 0;
    for (uint64_t round = 1; filled < slots; ++round) {
      for (size_t i = 0; i < turns.size() && filled < slots; ++i) {
        Turn& turn = turns[i];
        if (static_cast<double>(round) * weights[i] < turn.target) continue;
        turn.target += heaviest;
        uint64_t slot;
        do slot = (turn.offset + turn.skip * turn.next++) % slots;
        while (table_[slot] != UINT32_MAX);
        table_[slot] = hosts[i].number;
        ++filled;
      }
    }
  }
  uint32_t owner(std::string_view key) const override { return table_[XXH64(key.data(), key.size(), 0) % slots]; }
  size_t bytes() const override { return slots * sizeof(uint64_t); }   // pointers there

 private:
  static constexpr uint64_t slots = 65'537;
  std::vector<uint32_t> table_;
};

}  // namespace

std::unique_ptr<Subject> make_ours(std::string_view table);

std::unique_ptr<Subject> Subject::make(std::string_view table) {
  if (table == "modulo") return std::make_unique<Modulo>();
  if (table == "nginx") return std::make_unique<Nginx>();
  if (table == "haproxy") return std::make_unique<Haproxy>(1);
  if (table == "haproxy-100") return std::make_unique<Haproxy>(100);
  if (table == "envoy-ring") return std::make_unique<EnvoyRing>();
  if (table == "envoy-maglev") return std::make_unique<EnvoyMaglev>();
  return make_ours(table);
}

const std::vector<std::string>& Subject::tables() {
  static const std::vector<std::string> all{"rendezvous",         "maglev", "ketama", "assignment",
                                            "assignment-printed", "md5",    "modulo", "nginx",
                                            "haproxy",            "haproxy-100", "envoy-ring", "envoy-maglev"};
  return all;
}

}  // namespace ringmaster::analysis
