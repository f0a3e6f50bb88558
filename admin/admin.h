// The admin thread's life: start the replicas, serve the API, wait for a signal, drain, end.
//
//     SIGTERM or SIGINT    no new connections; what is under way is finished, for at most timeouts.drain
//     a second one         the workers end at once; replicas get SIGTERM and two seconds
//     a further one        replicas get SIGKILL
//     SIGHUP or SIGUSR1    the access log is opened anew
//
// Make it and run it in one thread that lives as long as the program: replicas get SIGKILL when that thread ends. All
// threads have these signals blocked; the signals are read here.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "async/sockets.h"
#include "base/line_writer.h"
#include "config/settings.h"
#include "proxy/control.h"
#include "proxy/sticky.h"

namespace ringmaster::admin {

struct AdminParts {
  const config::Settings& settings;          // must outlive the Admin
  proxy::Control& control;                   // the same
  async::Listener listener;                  // the admin port
  std::optional<async::Listener> drop_in;    // what the proxy port hands over in drop-in mode
  std::string version;
  LineWriter* access = nullptr;              // the access log's writer, where there is one; must outlive the Admin
  const proxy::StickyCookies& sticky;        // the workers'; must outlive the Admin
};

class Admin {
 public:
  // Throws StartError: the ring, the program of the replicas, the token file, signals.
  explicit Admin(AdminParts parts);
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  // Returns when a signal has come, every worker has ended or been told to, and no replica of ours is left.
  void run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ringmaster::admin
