#include "admin/docker_engine.h"

#include <errno.h>
#include <fmt/format.h>

namespace ringmaster::admin {

using async::Task;
using std::chrono::milliseconds;

namespace {

constexpr uint64_t answer_bytes_max = 32 << 20;   // a list of thousands of containers

bool is_success(uint16_t status) { return (status >= 200 && status < 300) || status == 304; }

}  // namespace

DockerEngine::DockerEngine(async::Loop& loop, SocketAddress address, async::CancelScope& scope)
    : loop_(loop), address_(address), where_(address.text()), scope_(scope) {}

async::ClientRequest DockerEngine::request(std::string method, std::string target) const {
  async::ClientRequest made;
  made.address = address_;
  made.method = std::move(method);
  made.target = std::move(target);
  made.answer_bytes_max = answer_bytes_max;
  return made;
}

EngineFailure DockerEngine::unreachable(const Error& error) const {
  std::string_view hint;
  if (error.kind == ErrorKind::os && (error.number == ENOENT || error.number == ECONNREFUSED)) {
    hint = ": is it running, and is docker.engine its address?";
  } else if (error.kind == ErrorKind::os && (error.number == EACCES || error.number == EPERM)) {
    hint = ": this user may not use it; the group that owns the socket may";
  }
  return {0, fmt::format("the engine at {} cannot be spoken with: {}{}", where_, to_string(error), hint)};
}

Task<FromEngine<EngineAbout>> DockerEngine::greet(async::CancelScope& scope) {
  version_.clear();
  const FromEngine<std::string> body = co_await call("GET", "/version", "", engine_answer_time, &scope);
  if (!body) co_return std::unexpected(body.error());
  Read<EngineAbout> about = read_about(*body);
  if (!about) co_return std::unexpected(EngineFailure{0, about.error()});
  const Read<ApiVersion> version = agree(*about);
  if (!version) co_return std::unexpected(EngineFailure{0, version.error()});
  version_ = "/v" + version->text();
  co_return std::move(*about);
}

Task<FromEngine<void>> DockerEngine::ping(async::CancelScope& scope) {
  const FromEngine<std::string> body = co_await call("GET", "/_ping", "", engine_answer_time, &scope);
  if (!body) co_return std::unexpected(body.error());
  co_return FromEngine<void>();
}

Task<FromEngine<std::string>> DockerEngine::call(std::string method, std::string path, std::string body,
                                                 milliseconds time, async::CancelScope* scope) {
  async::ClientRequest asked = request(std::move(method), version_ + path);
  if (!body.empty()) {
    asked.fields.emplace_back("Content-Type", "application/json");
    asked.body = std::move(body);
  }
  const async::Patience patience = loop_.within(time, scope ? scope : &scope_);
  Result<async::ClientAnswer> answer = co_await async::fetch(loop_, asked, patience);
  if (!answer) co_return std::unexpected(unreachable(answer.error()));
  if (!is_success(answer->status)) {
    co_return std::unexpected(EngineFailure{answer->status, read_refusal(answer->status, answer->body)});
  }
  co_return std::move(answer->body);
}

Task<EngineFailure> DockerEngine::events(std::function<void()> began, std::function<void(const EngineEvent&)> tell,
                                         async::CancelScope& scope) {
  const async::ClientRequest asked = request("GET", version_ + "/events" + events_query());
  LineReader lines;
  const async::PieceHandler piece = [&](std::string_view bytes) {
    lines.add(bytes);
    while (const auto line = lines.next()) {
      if (const auto event = read_event(*line)) tell(*event);
    }
    return true;
  };
  const async::Patience patience = loop_.within(engine_answer_time, &scope);
  const Result<async::ClientAnswer> answer =
      co_await async::fetch_stream(loop_, asked, piece, patience, {}, std::move(began));
  if (!answer) co_return unreachable(answer.error());
  if (!is_success(answer->status)) co_return EngineFailure{answer->status, read_refusal(answer->status, answer->body)};
  co_return EngineFailure{0, fmt::format("the engine at {} has ended its events", where_)};
}

}  // namespace ringmaster::admin
