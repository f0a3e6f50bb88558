// An outcome as one line of JSON; durations in microseconds.
#pragma once

#include <string>

#include "client.h"

namespace ringmaster::perf {

std::string to_json(const Outcome& outcome);

}  // namespace ringmaster::perf
