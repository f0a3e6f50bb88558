#include "client.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "backend.h"

namespace ringmaster::perf {
namespace {

uint64_t count(const Outcome& outcome, Failure failure) { return outcome.failures[static_cast<size_t>(failure)]; }

class AClient : public testing::Test {
 protected:
  EventLoop loop_;
  Backend backend_{loop_};
  SocketAddress address_ = *backend_.listen(SocketAddress::loopback(0));
  Client client_{loop_, address_};
};

TEST_F(AClient, CountsEachAnswerOnceAndKeepsItsConnections) {
  const Outcome first = client_.run({.connections = 8, .requests = 1000});
  EXPECT_EQ(first.answers, 1000U);
  EXPECT_EQ(first.failed(), 0U) << first.first_failure;
  EXPECT_EQ(first.latency.count(), 1000U);
  EXPECT_EQ(first.connects, 8U);
  EXPECT_EQ(client_.run({.connections = 8, .requests = 100}).connects, 0U);
}

TEST_F(AClient, UsesAConnectionForEachRequestWhereAsked) {
  const Outcome outcome = client_.run({.connections = 4, .requests = 100, .keep_alive = false});
  EXPECT_EQ(outcome.answers, 100U);
  EXPECT_EQ(outcome.connects, 100U);
  EXPECT_EQ(outcome.failed(), 0U) << outcome.first_failure;
}

TEST_F(AClient, ComparesLongBodiesBothWays) {
  const Outcome outcome = client_.run(
      {.connections = 3, .requests = 30, .answer_bytes = 3'000'000, .body_bytes = 1'500'000, .check_every = 1});
  EXPECT_EQ(outcome.answers, 30U);
  EXPECT_EQ(outcome.answer_bytes, 90'000'000U);
  EXPECT_EQ(outcome.failed(), 0U) << outcome.first_failure;
}

TEST_F(AClient, AtAConstantRateSendsExactlyWhatIsDue) {
  const Outcome outcome = client_.run({.connections = 4, .seconds = 0.2, .rate = 2000});
  EXPECT_EQ(outcome.answers, 400U);
  EXPECT_GT(outcome.seconds, 0.19);   // none before its time
}

TEST_F(AClient, AsksBesideTheLoadWhatIsDueAndCountsItApart) {
  const SocketAddress other = *backend_.listen(SocketAddress::loopback(0));
  const AsidePlan aside{.target = other, .method = "POST", .path = "/bytes/10", .bodies = {""}, .rate = 200};
  const Outcome outcome = client_.run({.connections = 2, .seconds = 0.2, .rate = 1000, .aside = aside});
  EXPECT_EQ(outcome.aside_answers, 40U);
  EXPECT_EQ(outcome.answers, 200U);
  EXPECT_EQ(outcome.failed(), 0U) << outcome.first_failure;
}

TEST_F(AClient, ARefusalBesideTheLoadIsAFailure) {
  const AsidePlan aside{.target = address_, .method = "GET", .path = "/nowhere", .bodies = {""}, .rate = 200};
  const Outcome outcome = client_.run({.connections = 2, .seconds = 0.1, .rate = 1000, .aside = aside});
  EXPECT_EQ(outcome.aside_answers, 0U);
  EXPECT_EQ(count(outcome, Failure::aside), 1U);
  EXPECT_NE(outcome.first_failure.find("404"), std::string::npos) << outcome.first_failure;
}

TEST_F(AClient, HoldsRequestsInFlightUntilTheirRelease) {
  EXPECT_EQ(client_.hold(100, [this] { return backend_.held(); }).failed(), 0U);
  EXPECT_EQ(backend_.held(), 100U);
  backend_.release();
  const Outcome outcome = client_.take_held();
  EXPECT_EQ(outcome.answers, 100U);
  EXPECT_EQ(outcome.failed(), 0U) << outcome.first_failure;
}

TEST_F(AClient, IdleConnectionsOutliveARun) {
  EXPECT_EQ(client_.open_idle(50).answers, 50U);
  EXPECT_EQ(client_.run({.connections = 2, .requests = 100}).failed(), 0U);
}

TEST_F(AClient, AWrongStatusIsAFailure) {
  const Outcome outcome = client_.run({.connections = 1, .requests = 3, .path = "/nowhere"});
  EXPECT_EQ(outcome.answers, 0U);
  EXPECT_EQ(count(outcome, Failure::status), 3U);
  EXPECT_NE(outcome.first_failure.find("404"), std::string::npos);
}

TEST_F(AClient, ARefusedConnectionIsAFailureAndTheRunIsGivenUp) {
  // Bound, so that the port is given to nobody else, and not listening.
  const Fd nobody(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress any = SocketAddress::loopback(0);
  ASSERT_EQ(::bind(nobody.get(), any.data(), any.length()), 0);
  Client lonely(loop_, *local_address(nobody.get()));
  const Outcome outcome = lonely.run({.connections = 2, .seconds = 5});
  EXPECT_GE(count(outcome, Failure::connect), Client::failures_max);
  EXPECT_LT(outcome.seconds, 4);
}

// Answers the first bytes of its one connection with what it was given, and closes.
class Scripted final {
 public:
  Scripted(EventLoop& loop, std::string answer) : answer_(std::move(answer)) {
    accepting_.act = [this, &loop] {
      connection_ = Fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      ASSERT_TRUE(loop.watch(connection_.get(), answering_, EPOLLIN));
    };
    answering_.act = [this] {
      std::array<char, 4096> request;
      ASSERT_GT(recv(connection_.get(), request.data(), request.size(), 0), 0);
      ASSERT_EQ(send(connection_.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(answer_.size()));
      connection_.reset();
    };
    if (!loop.watch(listener_.get(), accepting_, EPOLLIN)) throw StartError(ExitCode::internal, "watch", "");
  }
  SocketAddress address() const { return *local_address(listener_.get()); }

 private:
  struct Action final : EventLoop::Handler {
    void on_event(uint32_t) override { act(); }
    std::function<void()> act;
  };

  std::string answer_;
  Action accepting_;
  Action answering_;
  Fd listener_ = std::move(*listen_on(SocketAddress::loopback(0)));
  Fd connection_;
};

struct Broken {
  std::string answer;
  Failure failure;
};
class ABrokenAnswer : public testing::TestWithParam<Broken> {};

TEST_P(ABrokenAnswer, IsToldByItsKind) {
  EventLoop loop;
  Scripted server(loop, GetParam().answer);
  Client client(loop, server.address());
  const Outcome outcome = client.run({.connections = 1, .requests = 1, .check_every = 1});
  EXPECT_EQ(outcome.answers, 0U);
  EXPECT_EQ(count(outcome, GetParam().failure), 1U) << outcome.first_failure;
}

const std::string good_head = "HTTP/1.1 200 OK\r\nContent-Length: 128\r\nX-Id: 1000000000\r\n\r\n";
const std::string good_body(pattern().substr(0, 128));

INSTANTIATE_TEST_SUITE_P(
    Answers, ABrokenAnswer,
    testing::Values(Broken{good_head + good_body.substr(0, 100), Failure::cut}, Broken{"", Failure::cut},
                    Broken{"SSH-2.0\r\n\r\n", Failure::malformed}, Broken{good_head + good_body + "x", Failure::length},
                    Broken{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Failure::length},
                    Broken{good_head + std::string(128, 'x'), Failure::content},
                    Broken{"HTTP/1.1 200 OK\r\nContent-Length: 128\r\nX-Id: 1000000001\r\n\r\n" + good_body,
                           Failure::content},
                    Broken{"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", Failure::status}));

}  // namespace
}  // namespace ringmaster::perf
