// The product's tables.
#include <algorithm>

#include "balance/table.h"
#include "base/error.h"
#include "subject.h"

namespace ringmaster::analysis {

namespace {

class Ours final : public Subject {
 public:
  explicit Ours(balance::TableKind kind) : kind_(kind), builder_({.kind = kind, .slots = 0}) {}

  uint32_t replicas_max() const override {
    switch (kind_) {
      case balance::TableKind::rendezvous:
      case balance::TableKind::maglev:
      case balance::TableKind::ketama: return 10'001;
      default: return 512 / 9 - 2;   // nine slots of 512 each, one that joins, one that doubles
    }
  }
  void join(uint32_t number, uint32_t weight) override {
    ensure(builder_.join(address_of(number), weight));
    builder_.set_ready(address_of(number), true);
    names_.emplace_back(address_of(number), number);
  }
  void leave(uint32_t number) override { builder_.leave(address_of(number)); }
  void fail(uint32_t number) override { builder_.set_ready(address_of(number), false); }
  void reweigh(uint32_t number, uint32_t weight) override {
    ensure(builder_.set_weight(address_of(number), weight));
  }
  void build() override {
    table_ = builder_.build();
    // Both are in joining order.
    numbers_.clear();
    size_t next = 0;
    for (const std::string& member : table_.members()) {
      while (names_[next].first != member) ++next;
      numbers_.push_back(names_[next].second);
    }
  }
  uint32_t owner(std::string_view key) const override { return numbers_[table_.owner(table_.slot_of(key))]; }
  size_t bytes() const override {
    const size_t depth = std::min(table_.members().size(), balance::fallbacks_max + 1);
    return table_.slots() * depth * sizeof(uint16_t) + table_.points().size() * 2 * sizeof(uint32_t);
  }

 private:
  const balance::TableKind kind_;
  balance::Builder builder_;
  balance::Table table_;
  std::vector<std::pair<std::string, uint32_t>> names_;
  std::vector<uint32_t> numbers_;
};

}  // namespace

std::string address_of(uint32_t number) {
  const auto part = [&](uint32_t shift) { return std::to_string(number >> shift & 255); };
  return "10." + part(16) + "." + part(8) + "." + part(0) + ":8080";
}

std::unique_ptr<Subject> make_ours(std::string_view table) {
  const auto kind = balance::table_kind(table);
  return kind ? std::make_unique<Ours>(*kind) : nullptr;
}

}  // namespace ringmaster::analysis
