// perf_load: puts load on an HTTP server or proxy, checks every answer, prints JSON.
//
//   perf_load run --target 127.0.0.1:5000 --connections 64 --seconds 2         one run
//   perf_load serve --backend 127.0.0.1:0                                      a session: verbs on standard input,
//                                                                              one line of JSON for each
//
// A session's backends live in the same thread as its client. Its first line names their addresses; then
//   target ADDRESS   new connections go there, the old ones are closed
//   run OPTIONS      as above
//   idle N           opens N more connections that stay
//   hold N           leaves one request unanswered on each of N connections
//   release          answers them
//   close            closes every connection
// It ends with its standard input.
#include <sys/epoll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <deque>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "backend.h"
#include "client.h"
#include "outcome_json.h"

namespace ringmaster::perf {
namespace {

SocketAddress address_of(const std::string& text) {
  const auto address = SocketAddress::parse(text);
  if (!address) throw StartError(ExitCode::usage, "no address: " + text, "write it as 127.0.0.1:5000");
  return *address;
}

// What the command line says of a run.
struct RunOptions {
  Plan plan;
  double warm_up = 0;
  bool close = false;
  AsidePlan aside;
  std::string aside_target;
};

void add_run_options(CLI::App& app, RunOptions& options) {
  Plan& plan = options.plan;
  app.add_option("--connections", plan.connections, "Connections kept busy")->check(CLI::Range(1, 1'000'000));
  app.add_option("--seconds", plan.seconds, "No request is started after them")->check(CLI::Range(0.001, 1e6));
  app.add_option("--warm-up", options.warm_up, "Seconds of the same load before, not counted")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--requests", plan.requests, "No more than these; 0: no such end");
  app.add_option("--rate", plan.rate, "Requests a second, timed from when they were due; 0: as many as pass")
      ->check(CLI::Range(0.0, 1e8));
  app.add_option("--answer-bytes", plan.answer_bytes, "Asks for /bytes/N")->check(CLI::Range(0, 1 << 30));
  app.add_option("--body-bytes", plan.body_bytes, "POST, with so long a body")->check(CLI::Range(0, 1 << 30));
  app.add_option("--path", plan.path, "Ask for this instead; any length and content will do");
  app.add_option("--check-every", plan.check_every, "Compare every n-th answer whole")->check(CLI::Range(1, 1 << 30));
  app.add_flag("--close", options.close, "A connection for each request");
  CLI::Option* const target =
      app.add_option("--aside-target", options.aside_target, "Send requests there meanwhile, over one connection");
  AsidePlan& aside = options.aside;
  const auto of_aside = [&](CLI::Option* option) {
    option->needs(target);
    target->needs(option);
  };
  of_aside(app.add_option("--aside-rate", aside.rate, "So many a second")->check(CLI::Range(0.001, 1e5)));
  of_aside(app.add_option("--aside-path", aside.path, "For this path"));
  of_aside(app.add_option("--aside-body", aside.bodies, "With this JSON, or these in turn"));
  app.add_option("--aside-method", aside.method, "PATCH where it is not given")->needs(target);
}

Outcome run(Client& client, const RunOptions& options) {
  Plan plan = options.plan;
  plan.keep_alive = !options.close;
  if (options.warm_up > 0) {
    Plan before = plan;
    before.seconds = options.warm_up;
    before.requests = 0;
    if (Outcome outcome = client.run(before); outcome.failed() > 0) return outcome;
  }
  if (!options.aside_target.empty()) {
    plan.aside = options.aside;
    plan.aside->target = address_of(options.aside_target);
  }
  return client.run(plan);
}

void print(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

// Lines of standard input, read between events, so that the backends answer while nobody commands.
class Commands final : public EventLoop::Handler {
 public:
  explicit Commands(EventLoop& loop) {
    // A file cannot be watched, and is all there anyway.
    if (!loop.watch(STDIN_FILENO, *this, EPOLLIN))
      throw StartError(ExitCode::usage, "standard input must be a pipe", "");
  }

  void on_event(uint32_t) override {
    std::array<char, 4096> bytes;
    const ssize_t got = read(STDIN_FILENO, bytes.data(), bytes.size());
    if (got <= 0) {
      ended_ = true;
      return;
    }
    pending_.append(bytes.data(), static_cast<size_t>(got));
    for (size_t end; (end = pending_.find('\n')) != std::string::npos; pending_.erase(0, end + 1)) {
      lines_.push_back(pending_.substr(0, end));
    }
  }

  // The next line; nothing once the input has ended.
  std::optional<std::string> next(EventLoop& loop) {
    while (lines_.empty() && !ended_) loop.run_once(UINT64_MAX);
    if (lines_.empty()) return std::nullopt;
    std::string line = std::move(lines_.front());
    lines_.pop_front();
    return line;
  }

 private:
  std::string pending_;
  std::deque<std::string> lines_;
  bool ended_ = false;
};

class Session {
 public:
  explicit Session(const std::vector<std::string>& backends) : backend_(loop_), commands_(loop_) {
    auto addresses = nlohmann::json::array();
    for (const std::string& text : backends) {
      const auto address = backend_.listen(address_of(text));
      if (!address) throw StartError(ExitCode::usage, text + ": " + to_string(address.error()), "");
      addresses.push_back(address->text());
    }
    print(nlohmann::json{{"backends", addresses}}.dump());
  }

  void serve() {
    while (const auto line = commands_.next(loop_)) {
      try {
        print(execute(*line));
      } catch (const std::exception& error) {  // a mistyped command
        print(nlohmann::json{{"error", error.what()}}.dump());
      }
    }
  }

 private:
  std::string execute(const std::string& line) {
    CLI::App app;
    app.require_subcommand(1);
    std::string target;
    uint32_t count = 0;
    RunOptions run_options;
    CLI::App* const target_verb = app.add_subcommand("target");
    target_verb->add_option("address", target)->required();
    CLI::App* const run_verb = app.add_subcommand("run");
    add_run_options(*run_verb, run_options);
    CLI::App* const idle_verb = app.add_subcommand("idle");
    idle_verb->add_option("count", count)->required();
    CLI::App* const hold_verb = app.add_subcommand("hold");
    hold_verb->add_option("count", count)->required();
    CLI::App* const release_verb = app.add_subcommand("release");
    CLI::App* const close_verb = app.add_subcommand("close");
    app.parse(line);

    if (*target_verb) {
      client_.reset();
      client_ = std::make_unique<Client>(loop_, address_of(target));
      return "{}";
    }
    if (!client_) throw std::runtime_error("name a target first");
    if (*run_verb) return to_json(run(*client_, run_options));
    if (*idle_verb) return to_json(client_->open_idle(count));
    if (*hold_verb) return to_json(client_->hold(count, [this] { return backend_.held(); }));
    if (*release_verb) {
      backend_.release();
      return to_json(client_->take_held());
    }
    if (*close_verb) client_->close_all();
    return "{}";
  }

  EventLoop loop_;
  Backend backend_;
  Commands commands_;
  std::unique_ptr<Client> client_;
};

int main_of(int argc, char** argv) {
  CLI::App app("Puts load on an HTTP server or proxy, checks every answer, and prints JSON.");
  app.require_subcommand(1);
  RunOptions options;
  std::string target;
  std::vector<std::string> backends;
  CLI::App* const run_verb = app.add_subcommand("run", "One run");
  run_verb->add_option("--target", target, "Address")->required();
  add_run_options(*run_verb, options);
  CLI::App* const serve_verb =
      app.add_subcommand("serve", "A session: target, run, idle, hold, release, close on standard input");
  serve_verb->add_option("--backend", backends, "Answer requests there, in the same thread; port 0 picks one");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }

  if (*serve_verb) {
    Session(backends).serve();
    return 0;
  }
  EventLoop loop;
  Client client(loop, address_of(target));
  const Outcome outcome = run(client, options);
  print(to_json(outcome));
  return outcome.failed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace ringmaster::perf

int main(int argc, char** argv) {
  try {
    return ringmaster::perf::main_of(argc, argv);
  } catch (const ringmaster::StartError& error) {
    std::cerr << "perf_load: " << error.what() << '\n' << error.remedy() << '\n';
    return static_cast<int>(error.code());
  }
}
