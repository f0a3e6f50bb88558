// Bodies that the admin API is given: an order within its bounds, or a message for the client.
#include <cstdint>
#include <string_view>

#include "admin/orders.h"
#include "base/error.h"

using namespace ringmaster;
using namespace ringmaster::admin;

namespace {

void check_message(std::string_view message) { ensure(!message.empty()); }

void check_counts(std::string_view body, std::string_view too_many_names) {
  const auto order = read_count_order(body, too_many_names);
  if (!order) return check_message(order.error());
  ensure(order->hostnames.size() <= order->n);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  check_counts(body, too_many_names_to_add);
  check_counts(body, too_many_names_to_remove);
  if (const auto order = read_replica_order(body); order) ensure(order->weight >= 1 && order->weight <= 65535);
  else check_message(order.error());
  if (const auto order = read_weight_order(body); order) ensure(order->weight >= 1 && order->weight <= 65535);
  else check_message(order.error());
  return 0;
}
