// A table from a file, brought back into force.
//
// A table follows from its settings and from its members' names and weights, so what a file can bring back is the
// weights; that the table is then the file's, cell by cell, is proved by its digest before anything is changed. In the
// assignment's three tables (and, in a few points, ketama) the layout also follows from the order of joining: there a
// file is refused whose replicas joined in another order. Pure.
#pragma once

#include <vector>

#include "admin/registry.h"
#include "admin/supervisor.h"
#include "balance/table.h"

namespace ringmaster::admin {

// The weights to give to Supervisor::reweigh(). `in_force` is the table of now. Refused (conflict): other settings,
// replicas that are only here or only in the file, a table that comes out differently. Replicas that are not ready now
// have their part in the proof, and enter the table when they are.
Outcome<std::vector<NewReplica>> weights_of(const balance::Table& file, const Registry& registry,
                                            const balance::Table& in_force);

}  // namespace ringmaster::admin
