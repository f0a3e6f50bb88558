#include <algorithm>
#include <unordered_map>

#include "balance/assignment.h"
#include "balance/construction.h"
#include "balance/ketama.h"
#include "balance/maglev.h"
#include "balance/rendezvous.h"
#include "balance/table.h"

namespace ringmaster::balance {
namespace {

TableSettings checked(TableSettings settings) {
  const auto refuse = [](std::string what, std::string remedy) {
    throw StartError(ExitCode::configuration, std::move(what), std::move(remedy));
  };
  if (settings.kind == TableKind::ketama) {
    settings.slots = 0;
    settings.virtual_nodes = 160;
    return settings;
  }
  if (settings.slots == 0) settings.slots = default_slots(settings.kind);
  if (settings.slots > slots_max) {
    refuse("a table of " + std::to_string(settings.slots) + " slots is too large",
           "set routing.slots to at most " + std::to_string(slots_max));
  }
  if (settings.kind == TableKind::maglev && !is_prime(settings.slots)) {
    refuse("a maglev table of " + std::to_string(settings.slots) + " slots cannot be laid out",
           "set routing.slots to a prime such as 65537, or leave it out");
  }
  if (settings.virtual_nodes == 0) {
    refuse("a replica without virtual nodes gets no key", "set routing.virtual_nodes to 9");
  }
  return settings;
}

std::unique_ptr<Construction> construction(const TableSettings& settings) {
  switch (settings.kind) {
    case TableKind::rendezvous: return std::make_unique<Rendezvous>(settings);
    case TableKind::maglev: return std::make_unique<Maglev>(settings);
    case TableKind::ketama: return std::make_unique<Ketama>();
    default: return std::make_unique<Assignment>(settings);
  }
}

}  // namespace

struct Builder::State {
  TableSettings settings;
  std::unique_ptr<Construction> construction;
  std::vector<Member> members;                              // ascending by number
  std::unordered_map<std::string, uint64_t> numbers;        // by name
  uint64_t next_number = 1;

  Member* find(std::string_view name) {
    const auto found = numbers.find(std::string(name));
    if (found == numbers.end()) return nullptr;
    return &*std::ranges::lower_bound(members, found->second, {}, &Member::number);
  }
};

Builder::Builder(const TableSettings& settings) : state_(std::make_unique<State>()) {
  state_->settings = checked(settings);
  state_->construction = construction(state_->settings);
}
Builder::Builder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Builder::~Builder() = default;
Builder::Builder(Builder&&) noexcept = default;
Builder& Builder::operator=(Builder&&) noexcept = default;

Result<void> Builder::join(std::string_view name, uint32_t weight) {
  if (name.empty() || weight == 0 || weight > weight_max || state_->numbers.contains(std::string(name))) {
    return std::unexpected(Error{ErrorKind::refused, 0, "join the table"});
  }
  if (state_->members.size() == members_max) return std::unexpected(Error{ErrorKind::full, 0, "join the table"});
  Member member{state_->next_number, std::string(name), weight, false};
  if (auto joined = state_->construction->join(member); !joined) return joined;
  ++state_->next_number;
  state_->numbers.emplace(member.name, member.number);
  state_->members.push_back(std::move(member));
  return {};
}

void Builder::leave(std::string_view name) {
  const Member* member = state_->find(name);
  if (member == nullptr) return;
  state_->construction->leave(*member);
  state_->numbers.erase(member->name);
  state_->members.erase(state_->members.begin() + (member - state_->members.data()));
}

void Builder::set_ready(std::string_view name, bool ready) {
  if (Member* member = state_->find(name)) member->ready = ready;
}

Result<void> Builder::set_weight(std::string_view name, uint32_t weight) {
  Member* member = state_->find(name);
  if (member == nullptr || weight == 0 || weight > weight_max) {
    return std::unexpected(Error{ErrorKind::refused, 0, "set a weight"});
  }
  if (weight == member->weight) return {};
  if (auto changed = state_->construction->reweigh(*member, weight); !changed) return changed;
  member->weight = weight;
  return {};
}

size_t Builder::size() const noexcept { return state_->members.size(); }

std::optional<uint64_t> Builder::number(std::string_view name) const noexcept {
  const Member* member = state_->find(name);
  return member == nullptr ? std::nullopt : std::optional(member->number);
}

Table Builder::build() {
  Table table;
  table.settings_ = state_->settings;
  for (const Member& member : state_->members) {
    if (!member.ready) continue;
    table.members_.push_back(member.name);
    table.weights_.push_back(member.weight);
  }
  if (!table.members_.empty()) {
    table.places_ = state_->construction->places(state_->members);
    table.index_points();
  } else if (state_->settings.kind != TableKind::ketama) {
    table.places_.slots = table.places_.stride = state_->settings.slots;
    table.places_.members.assign(state_->settings.slots, no_member);
  }
  return table;
}

Builder Builder::clone() const {
  auto state = std::make_unique<State>();
  state->settings = state_->settings;
  state->construction = state_->construction->clone();
  state->members = state_->members;
  state->numbers = state_->numbers;
  state->next_number = state_->next_number;
  return Builder(std::move(state));
}

}  // namespace ringmaster::balance
