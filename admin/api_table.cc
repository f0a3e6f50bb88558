// The part of the API that answers for the table: weights, export and import, explain, plan, skew.
#include "admin/api.h"
#include "admin/api_answers.h"
#include "admin/explain.h"
#include "admin/import.h"
#include "admin/judgement.h"
#include "admin/orders.h"
#include "admin/plan.h"
#include "admin/replies.h"
#include "base/clock.h"

namespace ringmaster::admin {

using async::Answer;
using async::Request;
using async::Task;

namespace {

Answer text_answer(std::string body) {
  Answer answer = answer_with(200, std::move(body));
  answer.content_type = "text/plain; charset=us-ascii";
  return answer;
}

// Empty: the table decides.
std::string_view policy_of(const config::Settings& settings) {
  return routes_by_key(settings) ? std::string_view() : settings.routing.table;
}

Answer no_table() { return fail(503, "<Error> There is no table yet"); }

}  // namespace

Task<Answer> Api::patch_replica(const Request& request) {
  const auto order = read_weight_order(request.body);
  if (!order) co_return fail(400, order.error());
  const std::string name(request.path().substr(replica_path.size()));
  const std::vector<NewReplica> wishes{NewReplica{name, order->weight}};
  const Outcome<void> done = supervisor_.reweigh(wishes);
  if (!done) co_return fail(done.error());
  co_return answer_with(200, replica_json(supervisor_.registry(), *supervisor_.registry().find(name), monotonic_ns()));
}

Task<Answer> Api::get_table(const Request&) {
  const proxy::RouteTable* table = supervisor_.control().published();
  if (!table) co_return no_table();
  co_return answer_with(200, table_json(table->table, table->epoch, policy_of(settings_)));
}

Task<Answer> Api::get_export(const Request&) {
  const proxy::RouteTable* table = supervisor_.control().published();
  if (!table) co_return no_table();
  co_return text_answer(table->table.text());
}

Task<Answer> Api::put_table(const Request& request) {
  const auto table = balance::Table::from_text(request.body);
  if (!table) co_return fail(400, "<Error> The body is not a table as GET /v1/table/export gives it, whole");
  const proxy::RouteTable* route = supervisor_.control().published();
  if (!route) co_return no_table();
  const auto weights = weights_of(*table, supervisor_.registry(), route->table);
  if (!weights) co_return fail(weights.error());
  const Outcome<void> done = supervisor_.reweigh(*weights);
  if (!done) co_return fail(done.error());
  route = supervisor_.control().published();
  co_return answer_with(200, table_json(route->table, route->epoch, policy_of(settings_)));
}

Task<Answer> Api::get_explain(const Request& request) {
  const proxy::RouteTable* route = supervisor_.control().published();
  if (!route) co_return no_table();
  const auto question = read_question(request.query());
  if (!question) co_return fail(400, "<Error> " + question.error());
  const balance::Table& lookup = route->lookup();
  const auto found = explain(*question, settings_, lookup, &sticky_);
  if (!found) co_return fail(400, "<Error> " + found.error());
  const Judgement judged = judge(*found, *route, settings_, supervisor_.control(), monotonic_ns());
  co_return answer_with(200, explanation_json(*found, settings_, lookup, judged, route->epoch));
}

Task<Answer> Api::post_plan(const Request& request) {
  const proxy::RouteTable* route = supervisor_.control().published();
  if (!route) co_return no_table();
  if (!routes_by_key(settings_)) {
    const std::string table = settings_.routing.table;
    co_return fail(409, "<Error> With routing.table " + table + " no key has a home: nothing would move");
  }
  const auto order = read_plan_order(request.body);
  if (!order) co_return fail(400, order.error());
  const auto plan = make_plan(*order, supervisor_.registry(), *route, traffic_of(supervisor_.control()));
  if (!plan) co_return fail(plan.error());
  co_return answer_with(200, plan_json(*plan));
}

Task<Answer> Api::get_skew(const Request&) {
  const proxy::Control& control = supervisor_.control();
  if (!control.published()) co_return no_table();
  Skew skew = measure_skew(supervisor_.registry(), *control.published(), control.previous(), traffic_of(control));
  skew.by_key = routes_by_key(settings_);
  co_return answer_with(200, skew_json(skew));
}

}  // namespace ringmaster::admin
