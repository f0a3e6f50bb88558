// Answers that the API's handlers have in common.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "admin/guard.h"
#include "admin/supervisor.h"
#include "async/http_server.h"

namespace ringmaster::admin {

async::Answer answer_with(uint16_t status, std::string body);
// {"message":…,"status":"failure"}
async::Answer fail(uint16_t status, std::string_view message);
uint16_t status_of(Refused::Kind kind);
async::Answer fail(const Refused& refused);
async::Answer fail(const Objection& objection);

}  // namespace ringmaster::admin
