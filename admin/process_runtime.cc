#include "admin/process_runtime.h"

#include <fmt/format.h>
#include <signal.h>

#include "base/clock.h"

namespace ringmaster::admin {

using async::Task;

namespace {

// A server that cannot bind its port ends sooner than this.
constexpr uint64_t binding_ns = 1'000'000'000;

}  // namespace

struct ProcessRuntime::Process {
  Process(async::Loop& loop, const StartOrder& order_) : order(order_), died(loop), to_end(loop) {}

  StartOrder order;
  Child child;
  PortReservation port;
  bool port_held = false;
  uint64_t started_ns = 0;
  async::Event died;      // and reaped
  async::Event to_end;    // end() has been called
};

ProcessRuntime::ProcessRuntime(async::Loop& loop, const std::vector<std::string>& command)
    : loop_(loop), command_(command) {
  if (command_.empty()) {
    throw StartError(ExitCode::configuration, "replicas.command is empty", "name the program that a replica is");
  }
  program_ = require_program(command_.front());
}

ProcessRuntime::~ProcessRuntime() { ensure(processes_.empty()); }

void ProcessRuntime::start(const StartOrder& order) {
  auto process = std::make_shared<Process>(loop_, order);
  processes_.emplace(order.id, process);
  if (const Result<void> launched = launch(*process); !launched) {
    process->died.set();
    listener_->on_not_started(order.id, to_string(launched.error()));
  } else {
    listener_->on_running(order.id, {SocketAddress::loopback(process->port.port), process->child.pid, {}});
  }
  loop_.spawn(live(process));
}

Result<void> ProcessRuntime::launch(Process& process) {
  Result<PortReservation> port = reserve_port();
  if (!port) return std::unexpected(port.error());
  process.port = std::move(*port);
  process.port_held = hold_ports_;
  if (!process.port_held) process.port.holder.reset();
  Environment environment;
  environment.emplace_back("PORT", std::to_string(process.port.port));
  environment.emplace_back("SERVER_ID", process.order.name);
  Result<Child> child = spawn(program_, command_, environment);
  if (!child) return std::unexpected(child.error());
  process.child = std::move(*child);
  process.started_ns = monotonic_ns();
  return {};
}

// One life, from its start to on_ended().
Task<void> ProcessRuntime::live(std::shared_ptr<Process> process) {
  const uint64_t id = process->order.id;
  async::Patience forever;
  forever.scope = &never_;
  if (!process->died.is_set()) {
    // A wait that fails for any other reason (no memory in the kernel) is waited for again: the process is there.
    while (!co_await loop_.readable(process->child.pidfd.get(), forever)) {
      co_await loop_.sleep(std::chrono::milliseconds(10), &never_);
    }
    const Ending ending = reap(process->child);
    process->died.set();
    const bool at_once = monotonic_ns() - process->started_ns < binding_ns;
    if (at_once && ending.exit_status > 0) hold_ports_ = !process->port_held;
    if (!process->to_end.is_set()) listener_->on_died(id, ending.text);
  }
  co_await process->to_end.wait(forever);
  processes_.erase(id);
  listener_->on_ended(id);
}

void ProcessRuntime::end(uint64_t id, std::chrono::milliseconds grace) {
  const auto place = processes_.find(id);
  if (place == processes_.end()) return;
  const std::shared_ptr<Process> process = place->second;
  const bool first = !process->to_end.is_set();
  process->to_end.set();
  if (process->died.is_set()) return;
  if (first) signal_group(process->child, SIGTERM);
  loop_.spawn(kill_later(process, grace));
}

Task<void> ProcessRuntime::kill_later(std::shared_ptr<Process> process, std::chrono::milliseconds grace) {
  co_await process->died.wait(loop_.within(grace, &never_));
  // Also one that has been stopped (SIGSTOP): SIGKILL is the only signal that reaches it.
  if (!process->died.is_set()) signal_group(process->child, SIGKILL);
}

}  // namespace ringmaster::admin
