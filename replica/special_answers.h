// Everything that the replica does beyond sending prepared bytes: echo, bytes, uploads, delays, faults. May allocate.
#pragma once

#include "async/task.h"
#include "replica/connection.h"

namespace ringmaster::replica {

// Called when the head has been taken off the connection and its body has not. Returns when the answer has been sent
// and the body has been read, or when the connection must end.
async::Task<Next> answer_special(Connection& connection, const http::RequestHead& head, const Wish& wish);

}  // namespace ringmaster::replica
