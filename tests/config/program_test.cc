// The program as it is started from a shell: what it prints where, and how it ends.

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>

#include "base/address.h"
#include "base/fd.h"
#include "tests/config/support.h"
#include "tests/support/temp_file.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Ending {
  int code = -1;
  std::string text;   // standard output and standard error
};

Ending run_shell(const std::string& command) {
  Ending ending;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return ending;
  char bytes[4096];
  while (const size_t size = std::fread(bytes, 1, sizeof bytes, pipe)) ending.text.append(bytes, size);
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) ending.code = WEXITSTATUS(status);
  return ending;
}

std::string stub() {
  const char* path = std::getenv("RINGMASTER_STUB");
  EXPECT_NE(path, nullptr) << "run by meson test, which sets RINGMASTER_STUB";
  return path ? path : "false";
}

Ending start(const std::string& arguments) { return run_shell(stub() + " " + arguments); }

TEST(Program, TellsHowItIsUsed) {
  const Ending none = start("");
  EXPECT_EQ(none.code, 64);
  EXPECT_THAT(none.text, StartsWith("found no command; allowed: run, check or --help\nUsage: ringmaster run"));
  const Ending help = start("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.text, StartsWith("Usage: ringmaster run [--config FILE]"));
  EXPECT_EQ(start("--version").text, "ringmaster " RINGMASTER_VERSION "\n");
}

TEST(Program, PrintsItsPages) {
  EXPECT_TRUE(start("--manual-markdown").text == config::source_file("docs/SETTINGS.md"));
  EXPECT_TRUE(start("--example").text == config::source_file("ringmaster.toml"));
  EXPECT_THAT(start("--manual").text, StartsWith(".TH RINGMASTER 1"));
}

TEST(Program, RunsWithItsSettings) {
  const Ending ending = start("run --proxy.workers 3");
  EXPECT_EQ(ending.text, "run workers=3 sockets=0 file=\n");
  EXPECT_EQ(ending.code, 0);
}

TEST(Program, ChecksItsSettings) {
  const Ending ending = start("check --proxy.workers 3 --proxy.drop_in");
  EXPECT_EQ(ending.text, "ok\n"
                         "proxy.workers = 3   # from the flag; default 0\n"
                         "proxy.drop_in = true   # from the flag; default false\n");
  EXPECT_EQ(ending.code, 0);
}

TEST(Program, EndsWith64OverAFlagAnd78OverAFile) {
  const Ending flag = start("run --proxy.workers many");
  EXPECT_EQ(flag.text, "--proxy.workers: found \"many\"; allowed: a whole number from 0 to 256\n");
  EXPECT_EQ(flag.code, 64);

  const TempFile wrong("[proxy]\nworkers = 999\n");
  const std::string& name = wrong.path();
  const Ending file = start("check --config " + name);
  std::filesystem::remove(name);
  EXPECT_EQ(file.text, name + ":2:11: proxy.workers: found 999; allowed: a whole number from 0 to 256\n");
  EXPECT_EQ(file.code, 78);
  EXPECT_EQ(start("run --config " + name).code, 78) << "the file is gone";
}

TEST(Program, PrintsAtMostFiftyComplaints) {
  std::string lines;
  for (int i = 0; i < 60; ++i) lines += "wrong" + std::to_string(i) + " = 1\n";
  const TempFile wrong(lines);
  const Ending ending = start("check --config " + wrong.path());
  EXPECT_THAT(ending.text, testing::EndsWith("and 10 more\n"));
  EXPECT_EQ(ending.code, 78);
}

TEST(Program, EndsWith70OverAMistakeOfItsOwn) {
  const Ending ending = start("run --heartbeat.path /throw");
  EXPECT_EQ(ending.text, "ringmaster: a mistake of its own: thrown\n");
  EXPECT_EQ(ending.code, 70);
}

TEST(Program, NeedsSomethingToListenOn) {
  const Ending ending = start("run --proxy.listen=");
  EXPECT_THAT(ending.text, StartsWith("ringmaster: proxy.listen: found none, and no sockets from systemd\n"));
  EXPECT_EQ(ending.code, 78);
}

TEST(Program, TakesListeningSocketsFromSystemd) {
  const Fd listener(::socket(AF_INET, SOCK_STREAM, 0));
  const SocketAddress address = SocketAddress::loopback(0);
  ASSERT_EQ(::bind(listener.get(), address.data(), address.length()), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  const std::string pass = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec " + stub() + " run --proxy.listen= ";
  const Ending good = run_shell("sh -c '" + pass + "3<&" + std::to_string(listener.get()) + "'");
  EXPECT_THAT(good.text, HasSubstr("sockets=1"));
  EXPECT_EQ(good.code, 0);
  const Ending bad = run_shell("sh -c '" + pass + "3</dev/null'");
  EXPECT_THAT(bad.text, StartsWith("ringmaster: sockets passed by systemd: descriptor 3 (web) is no listening stream "
                                   "socket\n"));
  EXPECT_EQ(bad.code, 78);
}

}  // namespace
}  // namespace ringmaster
