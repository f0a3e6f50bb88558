#include "offline.h"

#include <fstream>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "admin/explain.h"
#include "admin/first_table.h"
#include "admin/guard.h"
#include "admin/judgement.h"
#include "admin/replies.h"
#include "admin/spawn.h"

namespace ringmaster {

namespace {

// The largest table that from_text() takes is below it.
constexpr std::streamsize table_file_bytes_max = 512 << 20;

balance::Table read_table(const std::string& name) {
  std::ifstream file(name, std::ios::binary | std::ios::ate);
  std::string text;
  if (file && file.tellg() >= 0 && file.tellg() <= table_file_bytes_max) {
    text.resize(static_cast<size_t>(file.tellg()));
    file.seekg(0);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
  }
  if (!file || text.empty()) {
    throw StartError(ExitCode::configuration, fmt::format("{}: cannot be read", name), "give the file of a table");
  }
  auto table = balance::Table::from_text(text);
  if (table) return std::move(*table);
  throw StartError(ExitCode::configuration, fmt::format("{}: not a table, not whole, or changed by hand", name),
                   "make one by ringmaster table, or by GET /v1/table/export");
}

std::optional<std::string> value_of(const CommandLine& line, std::string_view name) {
  for (const config::Flag& option : line.options) {
    if (option.key == name) return option.value;
  }
  return std::nullopt;
}

}  // namespace

std::string explain_offline(const CommandLine& line, const config::Settings& settings) {
  admin::Question question;
  question.key = value_of(line, "--key");
  question.url = value_of(line, "--url").value_or(question.url);
  question.client_ip = value_of(line, "--client").value_or(question.client_ip);
  for (const config::Flag& option : line.options) {
    if (option.key == "--header") question.headers.push_back(option.value);
  }
  const auto file = value_of(line, "--table");
  const balance::Table table = file ? read_table(*file) : admin::first_table(settings);
  // A secret that is drawn at the start is no help here.
  std::optional<proxy::StickyCookies> cookies;
  if (!settings.routing.sticky_secret_file.empty()) cookies.emplace(settings);
  const auto found = admin::explain(question, settings, table, cookies ? &*cookies : nullptr);
  if (!found) throw StartError(ExitCode::usage, found.error(), "");
  const admin::Judgement judged = admin::judge_idle(*found, table, settings);
  return admin::explanation_json(*found, settings, table, judged, std::nullopt) + "\n";
}

void check_files(const config::Settings& settings) {
  const proxy::StickyCookies cookies(settings);
  if (!settings.admin.token_file.empty()) admin::read_token(settings.admin.token_file);
  if (settings.replicas.runtime == config::Runtime::process) admin::require_program(settings.replicas.command.front());
}

std::string table_offline(const CommandLine& line, const config::Settings& settings) {
  if (const auto file = value_of(line, "--read")) return admin::table_json(read_table(*file), std::nullopt) + "\n";
  return admin::first_table(settings).text();
}

}  // namespace ringmaster
