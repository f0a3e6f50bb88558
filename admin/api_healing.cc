// What operators say about healing: /v1/pause, /v1/resume, /v1/roll.
#include "admin/api.h"
#include "admin/api_answers.h"
#include "admin/orders.h"
#include "admin/replies.h"

namespace ringmaster::admin {

using async::Answer;
using async::Request;
using async::Task;

Task<Answer> Api::post_pause(const Request&) { co_return set_paused(true); }
Task<Answer> Api::post_resume(const Request&) { co_return set_paused(false); }

Answer Api::set_paused(bool paused) {
  const Outcome<void> done = supervisor_.set_paused(paused);
  if (!done) return fail(done.error());
  return answer_with(200, success_json(paused ? "healing is paused" : "healing goes on"));
}

Task<Answer> Api::post_roll(const Request& request) {
  const auto order = read_roll_order(request.body);
  if (!order) co_return fail(400, order.error());
  const auto rolled = co_await supervisor_.roll(order->image);
  if (!rolled) co_return fail(rolled.error());
  co_return answer_with(200, rolled_json(*rolled));
}

}  // namespace ringmaster::admin
