#include "admin/import.h"

#include <fmt/format.h>

#include <algorithm>

namespace ringmaster::admin {

namespace {

using balance::Table;
using balance::TableKind;

std::unexpected<Refused> conflict(std::string message) {
  return std::unexpected(Refused{Refused::Kind::conflict, std::move(message)});
}

std::string text_of(const Table& table) {
  const balance::TableSettings& settings = table.settings();
  std::string text(balance::name_of(settings.kind));
  if (settings.kind != TableKind::ketama) text += fmt::format(" with {} slots", table.slots());
  if (settings.kind > TableKind::ketama) {
    text += fmt::format(", {} virtual nodes, {} probing", settings.virtual_nodes, balance::name_of(settings.probing));
  }
  return text;
}

}  // namespace

Outcome<std::vector<NewReplica>> weights_of(const Table& file, const Registry& registry, const Table& in_force) {
  if (text_of(file) != text_of(in_force)) {
    return conflict(fmt::format("the file's table is {}, and the one in force {}", text_of(file), text_of(in_force)));
  }
  for (const std::string& name : registry.names()) {
    if (std::ranges::find(file.members(), name) != file.members().end()) continue;
    return conflict(fmt::format("'{}' is not in the file: remove it first", name));
  }
  balance::Builder builder = registry.sketch();
  std::vector<NewReplica> weights;
  for (size_t i = 0; i < file.members().size(); ++i) {
    const std::string& name = file.members()[i];
    const Replica* replica = registry.find(name);
    if (!replica || replica->provisional) {
      return conflict(fmt::format("'{}' is in the file and not here: add it first", name));
    }
    weights.push_back({name, file.weights()[i]});
    builder.set_ready(name, true);
    if (builder.set_weight(name, file.weights()[i])) continue;
    return conflict(fmt::format("the table has no room for '{}' with a weight of {}", name, file.weights()[i]));
  }
  if (builder.build().digest() != file.digest()) {
    return conflict("the same names and weights give another table here: its layout follows from the order of joining");
  }
  return weights;
}

}  // namespace ringmaster::admin
