#include "command_line.h"

#include <string_view>

#include <fmt/format.h>

#include "config/render.h"

namespace ringmaster {

namespace {

using config::Problem;

constexpr std::string_view config_flag = "--config";

struct VerbName {
  std::string_view word;
  Verb verb;
};
constexpr VerbName verbs[] = {
    {"run", Verb::run},           {"check", Verb::check},     {"--help", Verb::help},
    {"-h", Verb::help},           {"help", Verb::help},       {"--version", Verb::version},
    {"--manual", Verb::manual},   {"--manual-markdown", Verb::manual_markdown},
    {"--example", Verb::example},
};

std::optional<Verb> verb_of(std::string_view word) {
  for (const VerbName& name : verbs) {
    if (name.word == word) return name.verb;
  }
  return std::nullopt;
}

Problem problem(std::string text) { return {std::move(text), true}; }

// Takes --config FILE and --config=FILE out of the arguments.
void take_config_file(std::vector<std::string>& arguments, CommandLine& line, std::vector<Problem>& problems) {
  std::vector<std::string> rest;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    std::string file;
    if (argument == config_flag) {
      if (i + 1 < arguments.size()) file = arguments[++i];
    } else if (argument.starts_with("--config=")) {
      file = argument.substr(config_flag.size() + 1);
    } else {
      rest.push_back(argument);
      continue;
    }
    if (file.empty()) problems.push_back(problem("--config: found no value; allowed: the name of a file"));
    else if (line.config_file) problems.push_back(problem("--config: found a second time; allowed: once"));
    line.config_file = std::move(file);
  }
  arguments = std::move(rest);
}

}  // namespace

std::expected<CommandLine, std::vector<Problem>> read_command_line(int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv + (argc > 0), argv + argc);
  if (arguments.empty()) {
    return std::unexpected(std::vector{problem("found no command; allowed: run, check or --help")});
  }
  const std::optional<Verb> verb = verb_of(arguments.front());
  if (!verb) {
    return std::unexpected(std::vector{problem(fmt::format(
        "{}: no such command; allowed: run, check, --help, --version, --manual, --manual-markdown or --example",
        config::quoted_short(arguments.front())))});
  }
  CommandLine line{.verb = *verb};
  arguments.erase(arguments.begin());
  if (*verb != Verb::run && *verb != Verb::check) {
    if (arguments.empty() || *verb == Verb::help) return line;
    return std::unexpected(std::vector{problem(
        fmt::format("found {} after {}; allowed: nothing", config::quoted_short(arguments.front()), argv[1]))});
  }
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") return CommandLine{.verb = Verb::help};
  }
  std::vector<Problem> problems;
  take_config_file(arguments, line, problems);
  config::Flags flags = config::read_flags(arguments);
  problems.insert(problems.end(), flags.problems.begin(), flags.problems.end());
  if (!problems.empty()) return std::unexpected(std::move(problems));
  line.flags = std::move(flags.list);
  return line;
}

std::string usage_text() {
  return "Usage: ringmaster run [--config FILE] [--SETTING VALUE ...]\n"
         "       ringmaster check [--config FILE] [--SETTING VALUE ...]\n"
         "       ringmaster --help | --version | --manual | --manual-markdown | --example\n";
}

std::string help_text() {
  return usage_text() +
         "\n"
         "  run                serves until SIGTERM or SIGINT, then lets exchanges finish; a second signal\n"
         "                     ends it at once\n"
         "  check              says what is wrong with the settings, or with io_uring here; else ok, and which\n"
         "                     settings are not at their default\n"
         "  --manual           the manual page: ringmaster --manual | man -l -\n"
         "  --manual-markdown  the settings as a page of Markdown\n"
         "  --example          a TOML file with every setting at its default\n"
         "\n"
         "Exit codes: 0; 64 wrong command line; 78 wrong configuration, or a kernel that refuses io_uring;\n"
         "70 our fault.\n"
         "\n"
         "Settings are keys of FILE (TOML: connect in [timeouts]) and flags over them (--timeouts.connect).\n"
         "Flags of lists are given once for each item; a boolean flag's value may be left out.\n" +
         config::help_settings();
}

}  // namespace ringmaster
