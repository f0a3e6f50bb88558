#include "command_line.h"

#include <algorithm>
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
    {"run", Verb::run},           {"check", Verb::check},     {"explain", Verb::explain},
    {"table", Verb::table},       {"--help", Verb::help},
    {"-h", Verb::help},           {"help", Verb::help},       {"--version", Verb::version},
    {"--manual", Verb::manual},   {"--manual-markdown", Verb::manual_markdown},
    {"--example", Verb::example},
};

struct OptionName {
  Verb verb;
  std::string_view name;
  std::string_view form;
  bool many = false;
};
constexpr OptionName options[] = {
    {Verb::explain, "--key", "a key"},
    {Verb::explain, "--url", "a path with its query, such as /home?request_id=1"},
    {Verb::explain, "--header", "a field, such as \"X-User: ann\"", true},
    {Verb::explain, "--client", "an IP address"},
    {Verb::explain, "--table", "the name of a file"},
    {Verb::table, "--read", "the name of a file"},
};

std::optional<Verb> verb_of(std::string_view word) {
  for (const VerbName& name : verbs) {
    if (name.word == word) return name.verb;
  }
  return std::nullopt;
}

Problem problem(std::string text) { return {std::move(text), true}; }

// Takes FLAG VALUE and FLAG=VALUE out of the arguments: all of them, in order.
std::vector<std::string> take_values(std::vector<std::string>& arguments, std::string_view flag) {
  std::vector<std::string> rest, values;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == flag) {
      values.push_back(i + 1 < arguments.size() ? arguments[++i] : "");
    } else if (argument.starts_with(flag) && argument[flag.size()] == '=') {
      values.push_back(argument.substr(flag.size() + 1));
    } else {
      rest.push_back(argument);
    }
  }
  arguments = std::move(rest);
  return values;
}

void check_values(const std::vector<std::string>& values, const OptionName& option, std::vector<Problem>& problems) {
  if (std::ranges::find(values, "") != values.end()) {
    problems.push_back(problem(fmt::format("{}: found no value; allowed: {}", option.name, option.form)));
  } else if (values.size() > 1 && !option.many) {
    problems.push_back(problem(fmt::format("{}: found a second time; allowed: once", option.name)));
  }
}

void take_config_file(std::vector<std::string>& arguments, CommandLine& line, std::vector<Problem>& problems) {
  const std::vector<std::string> files = take_values(arguments, config_flag);
  check_values(files, {line.verb, config_flag, "the name of a file"}, problems);
  if (!files.empty()) line.config_file = files.back();
}

void take_options(std::vector<std::string>& arguments, CommandLine& line, std::vector<Problem>& problems) {
  for (const OptionName& option : options) {
    if (option.verb != line.verb) continue;
    const std::vector<std::string> values = take_values(arguments, option.name);
    check_values(values, option, problems);
    for (const std::string& value : values) line.options.push_back({std::string(option.name), value});
  }
  if (line.verb == Verb::explain && std::ranges::none_of(line.options, [](const config::Flag& option) {
        return option.key == "--key" || option.key == "--url" || option.key == "--header";
      })) {
    problems.push_back(problem("explain: found nothing to explain; allowed: --key, or --url and --header"));
  }
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
        "{}: no such command; allowed: run, check, explain, table, --help, --version, --manual, --manual-markdown or "
        "--example",
        config::quoted_short(arguments.front())))});
  }
  CommandLine line{.verb = *verb};
  arguments.erase(arguments.begin());
  if (*verb >= Verb::help) {
    if (arguments.empty() || *verb == Verb::help) return line;
    return std::unexpected(std::vector{problem(
        fmt::format("found {} after {}; allowed: nothing", config::quoted_short(arguments.front()), argv[1]))});
  }
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") return CommandLine{.verb = Verb::help};
  }
  std::vector<Problem> problems;
  take_config_file(arguments, line, problems);
  take_options(arguments, line, problems);
  config::Flags flags = config::read_flags(arguments);
  problems.insert(problems.end(), flags.problems.begin(), flags.problems.end());
  if (!problems.empty()) return std::unexpected(std::move(problems));
  line.flags = std::move(flags.list);
  return line;
}

std::string usage_text() {
  return "Usage: ringmaster run [--config FILE] [--SETTING VALUE ...]\n"
         "       ringmaster check [--config FILE] [--SETTING VALUE ...]\n"
         "       ringmaster explain [--config FILE] [--SETTING VALUE ...] [--table FILE]\n"
         "                          --key KEY | --url URL | --header \"NAME: VALUE\" ... [--client IP]\n"
         "       ringmaster table [--config FILE] [--SETTING VALUE ...] | --read FILE\n"
         "       ringmaster --help | --version | --manual | --manual-markdown | --example\n";
}

std::string help_text() {
  return usage_text() +
         "\n"
         "  run                serves until SIGTERM or SIGINT, then lets exchanges finish; a second signal\n"
         "                     ends it at once\n"
         "  check              says what is wrong with the settings, their files and programs, or with io_uring\n"
         "                     here; else ok, and which settings are not at their default\n"
         "  explain            where a request goes once every replica of the settings is ready: the key that is\n"
         "                     found in it, its hash and slot, the owner and the fall-backs, as JSON. Of a table in a\n"
         "                     file with --table; of a running ringmaster: GET /v1/explain\n"
         "  table              the table of the settings as a file, to be kept and compared; with --read what is in\n"
         "                     one, and whether it is whole\n"
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
