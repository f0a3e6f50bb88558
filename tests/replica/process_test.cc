// Every endpoint of a real replica process, on a port that the kernel chose.
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "../async/fixture.h"
#include "async/http_client.h"
#include "replica/websocket.h"

namespace ringmaster::replica {
namespace {

using async::ClientAnswer;
using async::ClientRequest;
using async::RawClient;
using async::Task;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::string program() {
  const char* path = std::getenv("RINGMASTER_REPLICA");
  EXPECT_NE(path, nullptr) << "RINGMASTER_REPLICA names the program; meson test sets it";
  return path ? path : "";
}

// A replica that listens on a socket of ours: no port to guess, no moment at which it does not listen yet.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments, int listener = -1) {
    arguments.insert(arguments.begin(), program());
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (listener >= 0) posix_spawn_file_actions_adddup2(&actions, listener, 3);
    const int error = posix_spawn(&pid_, pointers[0], &actions, nullptr, pointers.data(), environ);
    EXPECT_EQ(error, 0) << "cannot start " << arguments[0];
    if (error != 0) pid_ = 0;
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Process() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  void terminate() const {
    if (pid_ > 0) kill(pid_, SIGTERM);  // 0 would be our whole group
  }
  // The exit code; -1 where a signal ended it.
  int wait() {
    if (pid_ <= 0) return -1;
    int status = 0;
    waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = 0;
};

class ReplicaProcessTest : public async::LoopTest {
 protected:
  static void SetUpTestSuite() {
    setenv("SERVER_ID", "S1", 1);
    listener_ = new async::Listener(listen());
    address_ = address_of(*listener_);
    process_ = new Process({"--listen", "fd:3"}, listener_->get());
  }
  static void TearDownTestSuite() {
    process_->terminate();
    EXPECT_EQ(process_->wait(), 0);
    delete process_;
    delete listener_;
    unsetenv("SERVER_ID");
  }

  static Task<void> fetch_into(async::Loop& loop, const ClientRequest& request, Result<ClientAnswer>& answer,
                               milliseconds time) {
    answer = co_await async::fetch(loop, request, loop.within(time));
  }
  Result<ClientAnswer> try_fetch(ClientRequest request, milliseconds time = long_time) {
    request.address = address_;
    Result<ClientAnswer> answer;
    run(fetch_into(loop_, request, answer, time));
    return answer;
  }
  ClientAnswer fetch(const std::string& target, const std::string& method = "GET", const std::string& body = "") {
    ClientRequest request;
    request.method = method;
    request.target = target;
    request.body = body;
    request.answer_bytes_max = 64 << 20;
    Result<ClientAnswer> answer = try_fetch(request);
    EXPECT_TRUE(answer) << method << " " << target << ": " << (answer ? "" : to_string(answer.error()));
    return answer ? *answer : ClientAnswer();
  }
  Result<ClientAnswer> fault(const std::string& query, milliseconds time = long_time) {
    ClientRequest request;
    request.target = "/home?" + query;
    return try_fetch(request, time);
  }
  static Task<void> converse(RawClient& client, std::string bytes, std::string& heard) {
    co_await client.connect(address_);
    co_await client.say(bytes);
    heard = co_await client.hear_all();
  }
  // All that comes back until the replica closes.
  std::string answer_to(std::string bytes) {
    RawClient client(loop_);
    std::string heard;
    run(converse(client, std::move(bytes), heard));
    client.close();
    return heard;
  }

  static inline async::Listener* listener_ = nullptr;
  static inline SocketAddress address_;
  static inline Process* process_ = nullptr;
};

constexpr const char* closing = " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

TEST_F(ReplicaProcessTest, AnswersAsTheAssignmentSays) {
  const ClientAnswer home = fetch("/home");
  EXPECT_EQ(home.status, 200);
  EXPECT_EQ(home.body, R"({"message":"Hello from Server: S1","status":"successful"})");
  EXPECT_EQ(home.field("Content-Type"), "application/json");
  EXPECT_EQ(fetch("/home?request_id=123456").body, home.body);
  const ClientAnswer heartbeat = fetch("/heartbeat");
  EXPECT_EQ(heartbeat.status, 200);
  EXPECT_EQ(heartbeat.body, "");
  EXPECT_EQ(fetch("/").status, 200);
}

TEST_F(ReplicaProcessTest, EverythingElseIs404WithJson) {
  EXPECT_EQ(fetch("/other").status, 404);
  EXPECT_EQ(nlohmann::json::parse(fetch("/other").body)["status"], "failure");
  EXPECT_EQ(fetch("/home", "POST", "a body that is read").status, 404);
}

TEST_F(ReplicaProcessTest, HeadHasTheHeadOfGetAndNoBody) {
  const std::string heard = answer_to(std::string("HEAD /home HTTP/1.1\r\nHost: a\r\n\r\nHEAD /bytes/1000") + closing);
  EXPECT_THAT(heard, HasSubstr("Content-Length: 57\r\n"));
  EXPECT_THAT(heard, HasSubstr("Content-Length: 1000\r\n"));
  EXPECT_THAT(heard, EndsWith("\r\n\r\n"));
}

TEST_F(ReplicaProcessTest, EchoSaysMethodTargetFieldsInOrderAndBody) {
  const std::string heard = answer_to(
      "PATCH /echo?x=%20 HTTP/1.1\r\nHost: a\r\nX-B: 1\r\nx-a: 2\r\nX-B: \xFF\r\nConnection: close\r\n"
      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  const auto body = nlohmann::ordered_json::parse(heard.substr(heard.find("\r\n\r\n") + 4));
  EXPECT_EQ(body["method"], "PATCH");
  EXPECT_EQ(body["target"], "/echo?x=%20");
  EXPECT_EQ(body["server"], "S1");
  EXPECT_EQ(body["body"], "abcde");
  EXPECT_EQ(body["body_bytes"], 5);
  EXPECT_EQ(body["fields"].size(), 6u);
  EXPECT_EQ(body["fields"][1][0], "X-B");
  EXPECT_EQ(body["fields"][2][0], "x-a");
  EXPECT_EQ(body["fields"][2][1], "2");
  EXPECT_EQ(fetch("/echo", "POST", std::string((1 << 20) + 1, 'x')).status, 413);
}

TEST_F(ReplicaProcessTest, BytesAreCountedAndOfTheKnownPatternInEveryFraming) {
  constexpr size_t count = 251 * 1024 * 2 + 12345;
  std::string expected;
  for (size_t i = 0; i < count; ++i) expected.push_back(static_cast<char>(i % 251));
  for (const char* framing : {"length", "chunked", "close"}) {
    const ClientAnswer answer = fetch("/bytes/" + std::to_string(count) + "?framing=" + framing);
    EXPECT_TRUE(answer.body == expected) << framing;
    EXPECT_EQ(answer.field("Transfer-Encoding"), std::string_view(framing) == "chunked" ? "chunked" : "");
  }
  EXPECT_EQ(fetch("/bytes/0").body, "");
  EXPECT_EQ(fetch("/bytes/0?framing=chunked").body, "");
  EXPECT_EQ(fetch("/bytes/10737418241").status, 404);
}

TEST_F(ReplicaProcessTest, UploadsAreCountedAndHashedInEitherFraming) {
  const std::string body(3'000'000, 'u');
  char expected[64];
  std::snprintf(expected, sizeof expected, R"({"bytes":3000000,"xxh3":"%016llx"})",
                static_cast<unsigned long long>(XXH3_64bits(body.data(), body.size())));
  EXPECT_EQ(fetch("/upload", "POST", body).body, expected);
  std::string chunked = "PUT /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (size_t at = 0; at < body.size(); at += 100'000) chunked += "186a0\r\n" + body.substr(at, 100'000) + "\r\n";
  EXPECT_THAT(answer_to(chunked + "0\r\n\r\n"), EndsWith(expected));
}

TEST_F(ReplicaProcessTest, MalformedRequestsAndBodiesAreRefused) {
  EXPECT_THAT(answer_to("GET /home HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer_to("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n"),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer_to("POST /home HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n"),
              StartsWith("HTTP/1.1 400 "));
}

TEST_F(ReplicaProcessTest, DelaysAndStatusesAreAsAskedFor) {
  const uint64_t before = loop_.now_ns();
  EXPECT_EQ(fetch("/delay/40").body, R"({"delay_ms":40,"status":"successful"})");
  EXPECT_GE(loop_.now_ns() - before, 40'000'000u);
  EXPECT_EQ(fetch("/status/503").status, 503);
  EXPECT_EQ(fetch("/status/204").body, "");
  EXPECT_EQ(fetch("/status/304").status, 304);
}

TEST_F(ReplicaProcessTest, AnswersHundredsOfPipelinedRequestsInOrder) {
  std::string requests;
  for (int i = 0; i < 200; ++i) {
    requests += i % 10 == 3 ? "GET /status/" + std::to_string(400 + i) : i % 2 == 0 ? "GET /home" : "GET /nothing";
    requests += " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  requests += "GET /home" + std::string(closing);
  const std::string heard = answer_to(requests);
  size_t at = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string status = i % 10 == 3 ? std::to_string(400 + i) : i % 2 == 0 ? "200" : "404";
    ASSERT_NE(at = heard.find("HTTP/1.1 ", at), std::string::npos) << i;
    ASSERT_EQ(heard.substr(at + 9, 3), status) << i;
    at += 9;
  }
  EXPECT_THAT(heard.substr(at), HasSubstr("Connection: close\r\n"));
}

TEST_F(ReplicaProcessTest, KeepsHttp10ConnectionsOnlyWhereAsked) {
  const std::string kept = answer_to("GET /home HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /home HTTP/1.0\r\n\r\n");
  EXPECT_THAT(kept, HasSubstr("Connection: keep-alive\r\n"));
  EXPECT_THAT(kept, HasSubstr("Connection: close\r\n"));
}

TEST_F(ReplicaProcessTest, SaysContinueBeforeItReadsABody) {
  const auto task = [](RawClient& client) -> Task<void> {
    co_await client.connect(address_);
    co_await client.say("POST /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    const std::string interim = co_await client.hear("\r\n\r\n");
    EXPECT_EQ(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    co_await client.say("ok");
    const std::string answer = co_await client.hear("}");
    EXPECT_THAT(answer, HasSubstr(R"({"bytes":2,)"));
  };
  RawClient client(loop_);
  run(task(client));
}

// --- WebSocket -------------------------------------------------------------------------------------------------------

std::string handshake() {
  return "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

std::string client_frame(Opcode opcode, bool final, std::string payload) {
  std::string head = frame_head(opcode, final, payload.size());
  head[1] = static_cast<char>(head[1] | 0x80);
  unmask(payload, {'m', 'a', 's', 'k'}, 0);
  return head + "mask" + payload;
}

std::string server_frame(Opcode opcode, bool final, const std::string& payload) {
  return frame_head(opcode, final, payload.size()) + payload;
}

TEST_F(ReplicaProcessTest, EchoesWebSocketMessagesPingsAndTheClose) {
  const std::string large(300'000, 'L');
  std::string said = handshake();
  std::string expected;
  const auto exchange = [&](Opcode opcode, bool final, const std::string& payload, Opcode answer) {
    said += client_frame(opcode, final, payload);
    expected += server_frame(answer, final, payload);
  };
  exchange(Opcode::text, true, "Hello", Opcode::text);
  exchange(Opcode::binary, true, large, Opcode::binary);
  exchange(Opcode::text, false, "Hel", Opcode::text);
  exchange(Opcode::ping, true, "between", Opcode::pong);
  exchange(Opcode::continuation, true, "lo", Opcode::continuation);
  exchange(Opcode::text, true, "", Opcode::text);
  said += client_frame(Opcode::pong, true, "unasked");
  exchange(Opcode::close, true, std::string("\x03\xE8", 2) + "bye", Opcode::close);
  const std::string heard = answer_to(said);
  const size_t head_end = heard.find("\r\n\r\n") + 4;
  EXPECT_THAT(heard.substr(0, head_end), StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(heard.substr(0, head_end), HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_TRUE(heard.substr(head_end) == expected);
}

TEST_F(ReplicaProcessTest, EndsAWebSocketThatBreaksTheProtocol) {
  const std::string protocol_error = server_frame(Opcode::close, true, std::string("\x03\xEA", 2));
  EXPECT_THAT(answer_to(handshake() + std::string("\x81\x05Hello", 7)), EndsWith("\r\n\r\n" + protocol_error));
  EXPECT_THAT(answer_to(handshake() + client_frame(Opcode::continuation, true, "x")),
              EndsWith("\r\n\r\n" + protocol_error));
}

TEST_F(ReplicaProcessTest, RefusesAnUpgradeWithoutKeyOrVersion) {
  EXPECT_EQ(fetch("/ws").status, 426);
  std::string wrong = handshake();
  wrong.replace(wrong.find("dGhl"), 4, "d");
  EXPECT_THAT(answer_to(wrong), StartsWith("HTTP/1.1 426 "));
}

// --- faults ----------------------------------------------------------------------------------------------------------

TEST_F(ReplicaProcessTest, FaultsBreakTheAnswerAsTheySay) {
  EXPECT_EQ(fault("fault=reset_before").error().number, ECONNRESET);
  EXPECT_EQ(fault("fault=reset_mid").error().number, ECONNRESET);
  EXPECT_EQ(fault("fault=close_mid").error().kind, ErrorKind::closed);
  EXPECT_EQ(fault("fault=garbage").error().kind, ErrorKind::malformed);
  EXPECT_EQ(fault("fault=hang", milliseconds(150)).error().kind, ErrorKind::timed_out);
  EXPECT_EQ(fault("fault=hang_mid", milliseconds(150)).error().kind, ErrorKind::timed_out);
}

TEST_F(ReplicaProcessTest, FaultsThatAreWholeAnswers) {
  EXPECT_EQ(fetch("/home?fault=status&status=418").status, 418);
  EXPECT_EQ(fetch("/home?fault=misspelt").status, 400);
  const uint64_t before = loop_.now_ns();
  const ClientAnswer slow = fetch("/home?fault=slow&ms=2");
  EXPECT_GE(loop_.now_ns() - before, slow.body.size() * 2'000'000);
  EXPECT_EQ(nlohmann::json::parse(slow.body)["status"], "successful");
  // The answer comes although the body never does.
  EXPECT_THAT(answer_to("POST /upload?fault=early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc"),
              StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(ReplicaProcessTest, HeartbeatsCanBeMadeToFailAndToHang) {
  EXPECT_EQ(fetch("/fault/heartbeat?fail=1", "POST").status, 200);
  EXPECT_EQ(fetch("/heartbeat").status, 500);
  EXPECT_EQ(fetch("/home").status, 200);
  EXPECT_EQ(fetch("/fault/heartbeat?fail=hang", "POST").status, 200);
  ClientRequest request;
  request.target = "/heartbeat";
  EXPECT_EQ(try_fetch(request, milliseconds(150)).error().kind, ErrorKind::timed_out);
  EXPECT_EQ(fetch("/fault/heartbeat?fail=perhaps", "POST").status, 400);
  EXPECT_EQ(fetch("/fault/heartbeat?fail=0", "POST").status, 200);
  EXPECT_EQ(fetch("/heartbeat").status, 200);
}

// --- the process -----------------------------------------------------------------------------------------------------

TEST_F(ReplicaProcessTest, EndsAtOnceOnSigtermWhateverItIsDoing) {
  const async::Listener own = listen();
  Process process({"--listen", "fd:3", "--workers", "2"}, own.get());
  const auto task = [](RawClient& idle, RawClient& busy, SocketAddress address, Process& ended) -> Task<void> {
    co_await idle.connect(address);
    co_await idle.say("GET /home HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)co_await idle.hear("}");
    co_await busy.connect(address);
    co_await busy.say("GET /delay/600000 HTTP/1.1\r\nHost: a\r\n\r\n");
    ended.terminate();
    EXPECT_EQ(ended.wait(), 0);
  };
  RawClient idle(loop_), busy(loop_);
  run(task(idle, busy, address_of(own), process));
}

TEST_F(ReplicaProcessTest, WorkersShareOnePort) {
  // Bound and not listening: keeps the port for the replica's workers, who may share it, and gets no connection.
  const Fd keeper(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ASSERT_EQ(setsockopt(keeper.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
  const SocketAddress any = SocketAddress::loopback(0);
  ASSERT_EQ(bind(keeper.get(), any.data(), any.length()), 0);
  const SocketAddress address = *async::bound_address(keeper.get());
  setenv("PORT", std::to_string(address.port()).c_str(), 1);
  Process process({"--workers", "2"});
  unsetenv("PORT");
  const auto task = [](async::Loop& loop, SocketAddress at) -> Task<void> {
    ClientRequest request;
    request.address = at;
    request.target = "/home";
    int answered = 0;
    for (int i = 0; i < 500 && answered < 16; ++i) {  // it takes a moment to start
      const Result<ClientAnswer> answer = co_await async::fetch(loop, request, loop.within(seconds(5)));
      answered += answer && answer->status == 200 ? 1 : 0;
      if (!answer) (void)co_await loop.sleep(milliseconds(10));
    }
    EXPECT_EQ(answered, 16);
  };
  run(task(loop_, address));
  process.terminate();
  EXPECT_EQ(process.wait(), 0);
}

TEST_F(ReplicaProcessTest, SaysByItsExitCodeWhyItCannotStart) {
  EXPECT_EQ(Process({"--nonsense"}).wait(), 64);
  const async::Listener busy = listen();
  EXPECT_EQ(Process({"--listen", address_of(busy).text()}).wait(), 78);
}

}  // namespace
}  // namespace ringmaster::replica
