// The whole admin thread, with real processes as replicas, real signals, and workers that the test plays.
#include "admin/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/clock.h"
#include "fixture.h"

namespace ringmaster::admin {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using testing::HasSubstr;

// One worker thread of the proxy, as far as Control sees it: it reads tables, and ends when it is told to.
class PlayedWorker {
 public:
  explicit PlayedWorker(proxy::Control& control) : thread_([&control] {
    for (;;) {
      control.begin_loop(0);
      const proxy::Phase phase = control.phase();
      control.end_loop(0);
      if (phase != proxy::Phase::serving) break;
      pollfd ready{control.worker_event(0), POLLIN, 0};
      ::poll(&ready, 1, 10'000);
      uint64_t count;
      [[maybe_unused]] const ssize_t got = ::read(control.worker_event(0), &count, sizeof count);
    }
    control.worker_ended(0);
  }) {}
  ~PlayedWorker() { thread_.join(); }

 private:
  std::thread thread_;
};

// Before the log's thread is made, which some other test may do first.
[[maybe_unused]] const bool signals_are_blocked = [] {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0;
}();

class AdminTest : public testing::Test {
 protected:
  AdminTest() {
    settings_.routing.table = "rendezvous";
    settings_.heartbeat.path = "/heartbeat";
    settings_.heartbeat.interval = std::chrono::hours(1);  // deaths and starts must not need it
    settings_.heartbeat.timeout = milliseconds(500);
    settings_.timeouts.drain = milliseconds(300);
    settings_.replicas.count = 2;
    settings_.replicas.command = {TINY_REPLICA};
  }
  // Runs `story` beside the admin thread, then sends SIGTERM and waits for the end.
  template <class Story>
  void tell(Story story) {
    async::Listener listener = std::move(*async::listen_on(SocketAddress::loopback(0)));
    port_ = *async::bound_address(listener.get());
    std::thread admin([&] {
      const proxy::StickyCookies sticky(settings_);
      Admin made({settings_, control_, std::move(listener), std::nullopt, "0.1.0", nullptr, sticky});
      made.run();
    });
    story();
    ::kill(::getpid(), SIGTERM);
    admin.join();
  }
  // A request of its own connection, with plain blocking calls.
  std::string ask(const std::string& method, const std::string& target, const std::string& body = "") {
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), port_.data(), port_.length()), 0);
    const std::string request = method + " " + target + " HTTP/1.1\r\nHost: " + port_.text() +
                                "\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: " +
                                std::to_string(body.size()) + "\r\n\r\n" + body;
    EXPECT_EQ(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    std::string answer;
    char bytes[4096];
    for (ssize_t got; (got = ::recv(socket.get(), bytes, sizeof bytes, 0)) > 0;) {
      answer.append(bytes, static_cast<size_t>(got));
    }
    return answer;
  }
  json replicas() {
    const std::string answer = ask("GET", "/v1/replicas");
    return json::parse(answer.substr(answer.find("\r\n\r\n") + 4))["replicas"];
  }
  static bool until(const std::function<bool()>& holds) {
    const uint64_t deadline_ns = monotonic_ns() + 10'000'000'000;
    while (!holds()) {
      if (monotonic_ns() > deadline_ns) return false;
      ::poll(nullptr, 0, 2);
    }
    return true;
  }
  bool all_ready(size_t count) {
    const json all = replicas();
    return all.size() == count && std::ranges::all_of(all, [](const json& one) { return one["state"] == "ready"; });
  }
  static bool alive(int64_t pid) { return ::kill(static_cast<pid_t>(pid), 0) == 0; }

  config::Settings settings_;
  proxy::Control control_{1};
  SocketAddress port_;
};

TEST_F(AdminTest, KilledReplicaIsBackUnderItsNameAndNoneIsLeftAtTheEnd) {
  std::vector<int64_t> pids;
  PlayedWorker worker(control_);
  tell([&] {
    ASSERT_TRUE(until([&] { return all_ready(2); }));
    const int64_t victim = replicas()[0]["pid"];
    pids = {victim, replicas()[1]["pid"]};
    ::kill(static_cast<pid_t>(victim), SIGKILL);
    ASSERT_TRUE(until([&] { return replicas()[0]["pid"] != victim && all_ready(2); })) << "long before the next beat";
    EXPECT_EQ(replicas()[0]["name"], "Server1");
    EXPECT_EQ(replicas()[0]["epoch"], 2);
    EXPECT_EQ(replicas()[0]["restarts"], 1);
    EXPECT_THAT(ask("POST", "/add", R"({"n":1,"hostnames":["S3"]})"),
                HasSubstr(R"("N":3,"replicas":["Server1","Server2","S3"])"));
    for (const json& one : replicas()) pids.push_back(one["pid"]);
  });
  ASSERT_EQ(pids.size(), 5U);
  for (const int64_t pid : pids) EXPECT_FALSE(alive(pid)) << pid;
}

TEST_F(AdminTest, CrashLoopIsQuarantinedWhileTheApiGoesOn) {
  settings_.replicas.count = 1;
  settings_.replicas.command = {TINY_REPLICA, "exit", "3"};
  PlayedWorker worker(control_);
  tell([&] {
    ASSERT_TRUE(until([&] { return replicas()[0]["quarantined"] == true; }));
    const json one = replicas()[0];
    EXPECT_EQ(one["state"], "failing");
    EXPECT_THAT(one["reason"].get<std::string>(), HasSubstr("exited with status 3"));
    EXPECT_EQ(one["epoch"], 5);
    EXPECT_THAT(ask("GET", "/readyz"), HasSubstr("HTTP/1.1 503"));
    EXPECT_THAT(ask("GET", "/healthz"), HasSubstr("HTTP/1.1 200"));
    EXPECT_THAT(ask("POST", "/add", R"({"n":1})"), HasSubstr("exited with status 3"));
  });
}

TEST_F(AdminTest, WorkersThatDoNotDrainAreToldToEndAndThenLeft) {
  int64_t pid = 0;
  tell([&] {  // no worker at all: it never ends
    ASSERT_TRUE(until([&] { return all_ready(2); }));
    pid = replicas()[0]["pid"];
  });
  EXPECT_EQ(control_.phase(), proxy::Phase::ending);
  EXPECT_FALSE(alive(pid));
}

TEST_F(AdminTest, ReplicasOfAHungKindAreReplacedAndEnded) {
  settings_.replicas.count = 1;
  settings_.heartbeat.interval = milliseconds(30);
  settings_.heartbeat.timeout = milliseconds(400);   // a healthy one on a busy machine is not hung
  PlayedWorker worker(control_);
  int64_t hung = 0;
  tell([&] {
    ASSERT_TRUE(until([&] { return all_ready(1); }));
    hung = replicas()[0]["pid"];
    ::kill(static_cast<pid_t>(hung), SIGSTOP);
    ASSERT_TRUE(until([&] { return replicas()[0]["pid"] != hung && all_ready(1); }));
    EXPECT_THAT(ask("GET", "/metrics"), HasSubstr("ringmaster_replica_restarts_total{replica=\"Server1\"} 1\n"));
  });
  EXPECT_FALSE(alive(hung));
}

TEST_F(AdminTest, RefusesToStartWithWhatCannotWork) {
  const auto start = [&] {
    async::Listener listener = std::move(*async::listen_on(SocketAddress::loopback(0)));
    const proxy::StickyCookies sticky(settings_);
    Admin made({settings_, control_, std::move(listener), std::nullopt, "0.1.0", nullptr, sticky});
  };
  settings_.admin.token_file = "/does/not/exist";
  EXPECT_THROW(start(), StartError);
  settings_.admin.token_file = "";
  settings_.replicas.command = {"no-such-program"};
  EXPECT_THROW(start(), StartError);
}

}  // namespace
}  // namespace ringmaster::admin
