// ringmaster: a table of contents. What a running program is made of stands in program.cc.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "command_line.h"
#include "config/load.h"
#include "config/passed_sockets.h"
#include "config/render.h"
#include "offline.h"
#include "program.h"
#include "uring/kernel_ring.h"

namespace ringmaster {

namespace {

constexpr size_t problems_printed_max = 50;

int print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return static_cast<int>(ExitCode::ok);
}

int refuse(std::span<const config::Problem> problems) {
  for (const config::Problem& problem : problems.first(std::min(problems.size(), problems_printed_max))) {
    std::fprintf(stderr, "%s\n", problem.text.c_str());
  }
  if (problems.size() > problems_printed_max) {
    std::fprintf(stderr, "and %zu more\n", problems.size() - problems_printed_max);
  }
  return static_cast<int>(config::exit_code_of(problems));
}

int run(const config::Loaded& loaded) {
  std::vector<int> sockets;
  for (const config::PassedSocket& socket : config::take_passed_sockets()) sockets.push_back(socket.descriptor);
  if (sockets.empty() && loaded.settings.proxy.listen.empty()) {
    throw StartError(ExitCode::configuration, "proxy.listen: found none, and no sockets from systemd",
                     "Give proxy.listen an address, such as 127.0.0.1:5000.");
  }
  set_log_level(loaded.settings.log.level);
  const int code = run_program(loaded, std::move(sockets));
  flush_log();
  return code;
}

// Also whether io_uring works here, whether the secrets' files can be read, and whether the replicas' program is there:
// throws the StartError that tells cause and remedy.
int check(const config::Loaded& loaded) {
  check_files(loaded.settings);
  uring::make_kernel_ring({});
  return print("ok\n" + config::differences(loaded));
}

int perform(const CommandLine& line) {
  switch (line.verb) {
    case Verb::help: return print(help_text());
    case Verb::version: return print("ringmaster " RINGMASTER_VERSION "\n");
    case Verb::manual: return print(config::manual_roff(RINGMASTER_VERSION));
    case Verb::manual_markdown: return print(config::manual_markdown());
    case Verb::example: return print(config::example_toml());
    case Verb::run:
    case Verb::check:
    case Verb::explain:
    case Verb::table: break;
  }
  const config::LoadResult loaded = config::load(line.config_file, line.flags);
  if (!loaded) return refuse(loaded.error());
  switch (line.verb) {
    case Verb::check: return check(*loaded);
    case Verb::explain: return print(explain_offline(line, loaded->settings));
    case Verb::table: return print(table_offline(line, loaded->settings));
    default: return run(*loaded);
  }
}

// After what has been logged, so that it is the last thing to be read.
void complain(const std::string& text) {
  flush_log();
  std::fprintf(stderr, "ringmaster: %s\n", text.c_str());
}

int start(int argc, char** argv) {
  const auto line = read_command_line(argc, argv);
  if (line) return perform(*line);
  const int code = refuse(line.error());
  std::fputs(usage_text().c_str(), stderr);
  return code;
}

}  // namespace

}  // namespace ringmaster

int main(int argc, char** argv) {
  using namespace ringmaster;
  try {
    return start(argc, argv);
  } catch (const StartError& error) {
    complain(error.what());
    if (!error.remedy().empty()) std::fprintf(stderr, "%s\n", error.remedy().c_str());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    complain(std::string("a mistake of its own: ") + error.what());
  } catch (...) {
    complain("a mistake of its own");
  }
  return static_cast<int>(ExitCode::internal);
}
