#include "admin/api.h"

#include <fmt/format.h>

#include "admin/api_answers.h"
#include "admin/metrics.h"
#include "admin/orders.h"
#include "admin/replies.h"
#include "admin/text.h"
#include "base/clock.h"
#include "config/value.h"

namespace ringmaster::admin {

using async::Answer;
using async::Request;
using async::Task;

namespace {

// The assignment has one status for whatever is wrong with an order.
Answer fail_as_assigned(const Refused& refused) {
  const uint16_t status = status_of(refused.kind);
  return fail(status < 500 ? 400 : status, "<Error> " + refused.message);
}

Credentials credentials_of(const Request& request) {
  Credentials given;
  given.host = request.head.host;
  given.origin = request.field("Origin");
  given.one_origin = request.count_fields("Origin") <= 1;
  given.content_type = request.field("Content-Type");
  given.authorization = request.field("Authorization");
  given.has_body = !request.body.empty();
  given.preflighted = request.method() == "PUT";
  return given;
}

// "/v1/replicas/" and one further segment match "/v1/replicas/"; other paths match themselves.
bool path_matches(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with('/')) return pattern == path;
  return path.size() > pattern.size() && path.starts_with(pattern) &&
         path.find('/', pattern.size()) == std::string_view::npos;
}

}  // namespace

Answer answer_with(uint16_t status, std::string body) {
  Answer answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

Answer fail(uint16_t status, std::string_view message) { return answer_with(status, failure_json(message)); }

uint16_t status_of(Refused::Kind kind) {
  switch (kind) {
    case Refused::Kind::wrong: return 400;
    case Refused::Kind::conflict: return 409;
    case Refused::Kind::unknown: return 404;
    case Refused::Kind::failed:
    case Refused::Kind::ending: return 503;
  }
  return 500;
}

Answer fail(const Refused& refused) { return fail(status_of(refused.kind), "<Error> " + refused.message); }

Answer fail(const Objection& objection) {
  Answer answer = fail(objection.status, objection.message);
  if (objection.status == 401) answer.fields.emplace_back("WWW-Authenticate", "Bearer realm=\"ringmaster\"");
  return answer;
}

Api::Api(Supervisor& supervisor, const config::Settings& settings, Guard guard, std::string version,
         const proxy::StickyCookies& sticky)
    : supervisor_(supervisor),
      settings_(settings),
      guard_(std::move(guard)),
      version_(std::move(version)),
      sticky_(sticky) {}

// --- the doors -------------------------------------------------------------------------------------------------------

std::span<const Api::Route> Api::assignment_routes() {
  static constexpr Route routes[] = {
      {"GET", "/rep", &Api::get_rep},
      {"POST", "/add", &Api::post_add, true},
      {"DELETE", "/rm", &Api::delete_rm, true},
      {"POST", "/rm", &Api::delete_rm, true},
  };
  return routes;
}

std::span<const Api::Route> Api::native_routes() {
  static constexpr Route routes[] = {
      {"GET", "/v1/replicas", &Api::get_replicas},
      {"POST", "/v1/replicas", &Api::post_replica, true},
      {"GET", replica_path, &Api::get_replica},
      {"DELETE", replica_path, &Api::delete_replica, true},
      {"PATCH", replica_path, &Api::patch_replica, true},
      {"POST", "/v1/pause", &Api::post_pause, true},
      {"POST", "/v1/resume", &Api::post_resume, true},
      {"POST", "/v1/roll", &Api::post_roll, true},
      {"GET", "/v1/settings", &Api::get_settings},
      {"GET", "/v1/table", &Api::get_table},
      {"PUT", "/v1/table", &Api::put_table, true},
      {"GET", "/v1/table/export", &Api::get_export},
      {"GET", "/v1/explain", &Api::get_explain},
      {"POST", "/v1/plan", &Api::post_plan, true},
      {"GET", "/v1/skew", &Api::get_skew},
      {"GET", "/metrics", &Api::get_metrics},
      {"GET", "/healthz", &Api::get_healthz},
      {"GET", "/readyz", &Api::get_readyz},
  };
  return routes;
}

// The route, or nullptr; then `allow` has the methods that the path knows, and is empty where the path is not there.
const Api::Route* Api::match(std::span<const Route> routes, const Request& request, std::string& allow) {
  const std::string_view method = request.method() == "HEAD" ? "GET" : request.method();
  for (const Route& route : routes) {
    if (!path_matches(route.path, request.path())) continue;
    if (route.method == method) return &route;
    if (!allow.empty()) allow += ", ";
    allow += route.method == "GET" ? "GET, HEAD" : route.method;
  }
  return nullptr;
}

Task<Answer> Api::on_admin_port(const Request& request) {
  const Credentials given = credentials_of(request);
  if (request.path() != "/healthz") {
    if (const auto objection = guard_.check_token(given)) co_return fail(*objection);
  }
  std::string allow;
  const Route* route = match(assignment_routes(), request, allow);
  if (!route) route = match(native_routes(), request, allow);
  if (!route) co_return not_there(request, allow);
  if (route->changes) {
    if (const auto objection = guard_.check_change(given)) co_return fail(*objection);
  }
  co_return co_await (this->*route->handle)(request);
}

Task<Answer> Api::on_drop_in(const Request& request) {
  std::string allow;
  const Route* route = match(assignment_routes(), request, allow);
  if (!route) co_return not_there(request, allow);
  if (route->changes) {
    if (const auto objection = check_origin(credentials_of(request))) co_return fail(*objection);
  }
  co_return co_await (this->*route->handle)(request);
}

Answer Api::not_there(const Request& request, const std::string& allow) {
  if (allow.empty()) return fail(404, fmt::format("<Error> '{}' does not exist here", request.path()));
  Answer answer = fail(405, fmt::format("<Error> '{}' takes {} only", request.path(), allow));
  answer.fields.emplace_back("Allow", allow);
  return answer;
}

// --- the assignment's ------------------------------------------------------------------------------------------------

Task<Answer> Api::get_rep(const Request&) { co_return answer_with(200, rep_json(supervisor_.registry().names())); }

Task<Answer> Api::post_add(const Request& request) {
  const auto order = read_count_order(request.body, too_many_names_to_add);
  if (!order) co_return fail(400, order.error());
  const auto added = co_await supervisor_.add(*order, 1);
  if (!added) co_return fail_as_assigned(added.error());
  co_return answer_with(200, rep_json(supervisor_.registry().names()));
}

Task<Answer> Api::delete_rm(const Request& request) {
  const auto order = read_count_order(request.body, too_many_names_to_remove);
  if (!order) co_return fail(400, order.error());
  const auto removed = co_await supervisor_.remove(*order, std::nullopt);
  if (!removed) co_return fail_as_assigned(removed.error());
  co_return answer_with(200, rep_json(supervisor_.registry().names()));
}

// --- the native ones -------------------------------------------------------------------------------------------------

Task<Answer> Api::get_replicas(const Request&) {
  const proxy::RouteTable* table = supervisor_.control().published();
  const uint64_t epoch = table ? table->epoch : 0;
  co_return answer_with(200, replicas_json(supervisor_.registry(), supervisor_.condition(), epoch, monotonic_ns()));
}

Task<Answer> Api::get_replica(const Request& request) {
  const std::string_view name = request.path().substr(replica_path.size());
  const Replica* replica = supervisor_.registry().find(name);
  if (!replica) {
    co_return fail(404, fmt::format("<Error> there is no replica '{}'", name.substr(0, name_bytes_max + 1)));
  }
  co_return answer_with(200, replica_json(supervisor_.registry(), *replica, monotonic_ns()));
}

Task<Answer> Api::post_replica(const Request& request) {
  const auto order = read_replica_order(request.body);
  if (!order) co_return fail(400, order.error());
  CountOrder one;
  one.n = 1;
  if (order->name) one.hostnames.push_back(*order->name);
  const auto added = co_await supervisor_.add(std::move(one), order->weight);
  if (!added) co_return fail(added.error());
  const Replica* replica = supervisor_.registry().find(added->front());
  if (!replica) co_return fail(409, "<Error> it was removed at once by another order");
  Answer answer = answer_with(201, replica_json(supervisor_.registry(), *replica, monotonic_ns()));
  answer.fields.emplace_back("Location", std::string(replica_path) + replica->name);
  co_return answer;
}

Task<Answer> Api::delete_replica(const Request& request) {
  const auto drain = read_drain(request.query());
  if (!drain) co_return fail(400, drain.error());
  CountOrder one;
  one.n = 1;
  one.hostnames.emplace_back(request.path().substr(replica_path.size()));
  const auto removed = co_await supervisor_.remove(std::move(one), *drain);
  if (!removed) co_return fail(removed.error());
  co_return answer_with(200, leaving_json(removed->front()));
}

Task<Answer> Api::get_settings(const Request&) { co_return answer_with(200, settings_json(settings_)); }

Task<Answer> Api::get_metrics(const Request&) {
  Answer answer = answer_with(200, metrics_text(supervisor_.registry(), supervisor_.control(), version_));
  answer.content_type = metrics_content_type;
  co_return answer;
}

Task<Answer> Api::get_healthz(const Request&) { co_return answer_with(200, success_json("alive")); }

Task<Answer> Api::get_readyz(const Request&) {
  if (supervisor_.ending()) co_return fail(503, "<Error> ringmaster is ending");
  if (!supervisor_.table_has_replicas()) co_return fail(503, "<Error> No replica is ready");
  if (supervisor_.control().phase() == proxy::Phase::starting) co_return fail(503, "<Error> Replicas are starting");
  co_return answer_with(200, success_json("ready"));
}

}  // namespace ringmaster::admin
