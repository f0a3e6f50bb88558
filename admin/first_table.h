// The table that the settings lead to once every replica that they name is ready: for the command line, which answers
// without a running proxy. Pure.
#pragma once

#include "balance/table.h"
#include "config/settings.h"

namespace ringmaster::admin {

// Throws StartError where routing.table names no table.
balance::TableSettings table_settings(const config::Settings& settings);

// The static replicas with their weights, else Server1 to ServerN, joined in that order. Throws StartError where the
// table has no room for them.
balance::Table first_table(const config::Settings& settings);

}  // namespace ringmaster::admin
