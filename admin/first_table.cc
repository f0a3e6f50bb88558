#include "admin/first_table.h"

#include <fmt/format.h>

#include "balance/policy.h"

namespace ringmaster::admin {

balance::TableSettings table_settings(const config::Settings& settings) {
  const auto kind = balance::table_kind_under(settings.routing.table);
  if (!kind) {
    throw StartError(ExitCode::configuration, fmt::format("routing.table: unknown table '{}'", settings.routing.table),
                     "see ringmaster --help");
  }
  balance::TableSettings made;
  made.kind = *kind;
  made.slots = settings.routing.slots ? settings.routing.slots : balance::default_slots(*kind);
  made.virtual_nodes = settings.routing.virtual_nodes;
  made.probing = settings.routing.probing == "quadratic" ? balance::Probing::quadratic : balance::Probing::linear;
  return made;
}

balance::Table first_table(const config::Settings& settings) {
  balance::Builder builder(table_settings(settings));
  const auto join = [&](const std::string& name, uint32_t weight) {
    if (!builder.join(name, weight)) {
      throw StartError(ExitCode::configuration, fmt::format("the table has no room for '{}'", name),
                       "raise routing.slots, or name fewer replicas");
    }
    builder.set_ready(name, true);
  };
  if (settings.replicas.runtime == config::Runtime::static_list) {
    for (const config::StaticReplica& replica : settings.replicas.static_list) join(replica.name, replica.weight);
  } else {
    for (uint32_t i = 1; i <= settings.replicas.count; ++i) join(fmt::format("Server{}", i), 1);
  }
  return builder.build();
}

}  // namespace ringmaster::admin
