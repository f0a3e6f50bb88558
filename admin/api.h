// The admin API: which request is answered how.
//
// On the admin port:
//   GET /rep, POST /add, DELETE /rm, POST /rm      the assignment's, to the letter
//   GET /v1/replicas, POST /v1/replicas            every replica with state and counters; one more
//   GET, DELETE /v1/replicas/{name}[?drain=5s]     one of them; one less
//   PATCH /v1/replicas/{name} {"weight": 2}        another weight; the new table is in force when it is answered
//   POST /v1/pause, POST /v1/resume                no healing for a while: the dead stay dead, the unwell alive
//   POST /v1/roll [{"image": "web:2"}]             new lives for all, one after the other; answered at the end
//   GET /v1/settings, GET /metrics
//   GET, PUT /v1/table, GET /v1/table/export       what it is, with its digest; as a file, and back
//   GET /v1/explain, POST /v1/plan, GET /v1/skew   where a request goes, what a change would do, how even it is
//   GET /healthz                                   this thread lives: 200
//   GET /readyz                                    200 while a table with a ready replica is in force and we are not
//                                                  ending, else 503
// On the drop-in listener, to which the proxy port hands over what is not for the replicas: the first line only.
//
// GET never changes anything, and HEAD is GET. Errors are {"message":"<Error> …","status":"failure"}: 404 and 405 (with
// Allow) for what is not there; 401, 403, 415 and 421 from guard.h; 400 for a wrong order; 409 for a name in use or an
// order that this runtime cannot carry out (the assignment's paths say 400); 503 when replicas did not start, or we are
// ending. Belongs to the admin thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "admin/guard.h"
#include "admin/supervisor.h"
#include "async/http_server.h"
#include "config/settings.h"
#include "proxy/sticky.h"

namespace ringmaster::admin {

inline constexpr uint64_t api_body_bytes_max = 256 * 1024;   // a thousand names of 63 bytes, and room
// On the admin port, where tables come in: 65,536 slots with eight fall-backs each, of a thousand replicas, and room.
inline constexpr uint64_t table_bytes_max = 4 * 1024 * 1024;
inline constexpr std::string_view replica_path = "/v1/replicas/";

class Api {
 public:
  // All must outlive it; `sticky`: the workers'.
  Api(Supervisor& supervisor, const config::Settings& settings, Guard guard, std::string version,
      const proxy::StickyCookies& sticky);

  async::Task<async::Answer> on_admin_port(const async::Request& request);
  async::Task<async::Answer> on_drop_in(const async::Request& request);

 private:
  using Handle = async::Task<async::Answer> (Api::*)(const async::Request&);
  struct Route {
    std::string_view method, path;   // a path that ends in '/' is a prefix of one further segment
    Handle handle;
    bool changes = false;
  };
  static std::span<const Route> assignment_routes();
  static std::span<const Route> native_routes();
  static const Route* match(std::span<const Route> routes, const async::Request& request, std::string& allow);
  static async::Answer not_there(const async::Request& request, const std::string& allow);

  async::Task<async::Answer> get_rep(const async::Request& request);
  async::Task<async::Answer> post_add(const async::Request& request);
  async::Task<async::Answer> delete_rm(const async::Request& request);
  async::Task<async::Answer> get_replicas(const async::Request& request);
  async::Task<async::Answer> get_replica(const async::Request& request);
  async::Task<async::Answer> post_replica(const async::Request& request);
  async::Task<async::Answer> delete_replica(const async::Request& request);
  async::Task<async::Answer> patch_replica(const async::Request& request);
  async::Task<async::Answer> post_pause(const async::Request& request);
  async::Task<async::Answer> post_resume(const async::Request& request);
  async::Task<async::Answer> post_roll(const async::Request& request);
  async::Answer set_paused(bool paused);
  async::Task<async::Answer> get_settings(const async::Request& request);
  async::Task<async::Answer> get_table(const async::Request& request);
  async::Task<async::Answer> put_table(const async::Request& request);
  async::Task<async::Answer> get_export(const async::Request& request);
  async::Task<async::Answer> get_explain(const async::Request& request);
  async::Task<async::Answer> post_plan(const async::Request& request);
  async::Task<async::Answer> get_skew(const async::Request& request);
  async::Task<async::Answer> get_metrics(const async::Request& request);
  async::Task<async::Answer> get_healthz(const async::Request& request);
  async::Task<async::Answer> get_readyz(const async::Request& request);

  Supervisor& supervisor_;
  const config::Settings& settings_;
  const Guard guard_;
  const std::string version_;
  const proxy::StickyCookies& sticky_;
};

}  // namespace ringmaster::admin
