// A conversation with a container engine: its API over HTTP, one connection for each call, nothing blocks.
//
// The engine may be slow, absent, or gone in the middle of a word; every call says which of the two kinds of failure it
// met: the engine could not be spoken with (ask again later), or it has answered that it will not (asking again does
// not help). Belongs to the admin thread.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <string>

#include "admin/docker_messages.h"
#include "async/http_client.h"
#include "async/loop.h"

namespace ringmaster::admin {

struct EngineFailure {
  uint16_t status = 0;      // 0: it could not be spoken with
  std::string text;         // a sentence
  bool unreachable() const noexcept { return status == 0; }
};
template <class T>
using FromEngine = std::expected<T, EngineFailure>;

// For calls that the engine answers at once, and for those that start and stop containers.
inline constexpr std::chrono::milliseconds engine_answer_time{10'000};
inline constexpr std::chrono::milliseconds engine_work_time{25'000};

class DockerEngine {
 public:
  // `scope` ends every call that is given no other.
  DockerEngine(async::Loop& loop, SocketAddress address, async::CancelScope& scope);

  // Agrees on a version of the API; before any other call, and again whenever it may be another engine.
  async::Task<FromEngine<EngineAbout>> greet(async::CancelScope& scope);
  // "ok" within the time for answers.
  async::Task<FromEngine<void>> ping(async::CancelScope& scope);
  // The body of a 2xx or 304 answer. `path` begins behind the version: "/containers/json?all=1". `body`: JSON, or "".
  async::Task<FromEngine<std::string>> call(std::string method, std::string path, std::string body,
                                            std::chrono::milliseconds time, async::CancelScope* scope = nullptr);
  // Events until the engine ends them or `scope` is cancelled. `began`: from now on none is missed.
  async::Task<EngineFailure> events(std::function<void()> began, std::function<void(const EngineEvent&)> tell,
                                    async::CancelScope& scope);

  const std::string& where() const noexcept { return where_; }

 private:
  async::ClientRequest request(std::string method, std::string target) const;
  EngineFailure unreachable(const Error& error) const;

  async::Loop& loop_;
  const SocketAddress address_;
  const std::string where_;
  async::CancelScope& scope_;
  std::string version_;     // "/v1.41"
};

}  // namespace ringmaster::admin
