// The API on both of its doors, with clients that talk to them over real sockets.
#pragma once

#include "admin/api.h"

#include <nlohmann/json.hpp>

#include "async/http_client.h"
#include "supervised.h"

namespace ringmaster::admin {

using async::ClientAnswer;
using async::ClientRequest;
using async::Task;
using nlohmann::json;

inline constexpr const char* json_type = "application/json";

class ApiTest : public SupervisedTest {
 protected:
  template <class Story>
  void tell_api(Story story) {
    async::Listener listener = listen(), drop_in_listener = listen();
    port_ = address_of(listener);
    drop_in_ = address_of(drop_in_listener);
    std::unique_ptr<Api> api;
    async::HttpServer server(loop_, [&](const async::Request& request) { return api->on_admin_port(request); });
    async::HttpServer drop_in(loop_, [&](const async::Request& request) { return api->on_drop_in(request); });
    const proxy::StickyCookies sticky(settings_);
    tell([&]() -> Task<void> {
      api = std::make_unique<Api>(*supervisor_, settings_, Guard(port_, token_), "0.1.0", sticky);
      server.serve(std::move(listener));
      drop_in.serve(std::move(drop_in_listener));
      co_await story();
      co_await server.stop(std::chrono::milliseconds(100));
      co_await drop_in.stop(std::chrono::milliseconds(100));
    });
  }
  Task<ClientAnswer> ask(SocketAddress address, std::string method, std::string target, std::string body = {},
                         async::FieldList fields = {}) {
    ClientRequest request;
    request.address = address;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    for (auto& field : fields) {
      if (field.first == "Host") request.host = field.second;
      else request.fields.push_back(field);
    }
    Result<ClientAnswer> answer = co_await async::fetch(loop_, request, loop_.within(long_time, &never_));
    EXPECT_TRUE(answer) << to_string(answer.error());
    co_return answer ? *answer : ClientAnswer{};
  }
  Task<ClientAnswer> get(std::string target) { return ask(port_, "GET", std::move(target)); }
  Task<ClientAnswer> change(std::string method, std::string target, std::string body = {}) {
    async::FieldList fields;
    if (!body.empty()) fields.emplace_back("Content-Type", json_type);
    return ask(port_, std::move(method), std::move(target), std::move(body), std::move(fields));
  }
  Task<ClientAnswer> drop_in(std::string method, std::string target, std::string body = {},
                             async::FieldList fields = {}) {
    return ask(drop_in_, std::move(method), std::move(target), std::move(body), std::move(fields));
  }

  SocketAddress port_, drop_in_;
  std::string token_;
  static constexpr const char* first_two =
      R"({"message":{"N":2,"replicas":["Server1","Server2"]},"status":"successful"})";
};

}  // namespace ringmaster::admin
