// One life of a replica as a container: what docker_runtime.cc and docker_container.cc know of it. Internal to them.
#pragma once

#include "admin/docker_runtime.h"

namespace ringmaster::admin {

struct DockerRuntime::Container {
  Container(async::Loop& loop, const StartOrder& order_)
      : order(order_), name(container_name(order.name, order.epoch)), to_end(loop), stopped(loop) {}

  const StartOrder order;
  const std::string name;
  std::string id;             // "": not known to exist
  bool asked_for = false;     // the engine was asked to create it, whatever it answered
  bool running = false;       // the listener has been told so
  bool dead = false;
  bool out_of_memory = false;
  bool by_itself = false;     // it ended unasked, by nobody's signal: it may have said why
  bool keep = false;          // it is left running at its end
  std::string death;          // its reason
  async::Event to_end;        // end() or keep() has been called
  async::Event stopped;       // nothing of it runs any more
  std::chrono::milliseconds grace{};
};

}  // namespace ringmaster::admin
