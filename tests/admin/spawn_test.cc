#include "admin/spawn.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "../support/temp_file.h"
#include "base/clock.h"

namespace ringmaster::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Ending wait_for(const Child& child) {
  pollfd ready{child.pidfd.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ready, 1, 10'000), 1) << "it does not end";
  return reap(child);
}

// The kernel lets us go on in the middle of the child's exec: its environment is there when that is over.
std::string environment_of(const Child& child) {
  std::string environment;
  for (int i = 0; i < 5000 && environment.empty(); ++i) {
    environment = contents("/proc/" + std::to_string(child.pid) + "/environ");
    if (environment.empty()) ::poll(nullptr, 0, 1);
  }
  return environment;
}

Result<Child> sleeper() {
  Result<Child> child = spawn("/bin/sleep", {"sleep", "1000"}, {});
  if (child) environment_of(*child);
  return child;
}

TEST(Spawn, SaysHowAChildEnded) {
  const auto three = spawn("/bin/sh", {"sh", "-c", "exit 3"}, {});
  ASSERT_TRUE(three);
  const Ending exited = wait_for(*three);
  EXPECT_EQ(exited.text, "exited with status 3");
  EXPECT_EQ(exited.exit_status, 3);
  const auto asleep = sleeper();
  ASSERT_TRUE(asleep);
  signal_group(*asleep, SIGKILL);
  const Ending killed = wait_for(*asleep);
  EXPECT_EQ(killed.text, "killed by signal 9 (Killed)");
  EXPECT_EQ(killed.exit_status, -1);
}

TEST(Spawn, AFailedExecIsAnErrorAndLeavesNoChild) {
  const auto nothing = spawn("/does/not/exist", {"x"}, {});
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().number, ENOENT);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Spawn, SetsTheEnvironmentAndKeepsTheRest) {
  ::setenv("RINGMASTER_TEST_KEPT", "kept", 1);
  ::setenv("PORT", "1", 1);
  const auto child = spawn("/bin/sleep", {"sleep", "1000"}, {{"PORT", "4711"}, {"SERVER_ID", "S 1"}});
  ::unsetenv("PORT");
  ASSERT_TRUE(child);
  const std::string environment = '\0' + environment_of(*child);
  signal_group(*child, SIGKILL);
  wait_for(*child);
  using namespace std::string_literals;
  EXPECT_THAT(environment, HasSubstr("\0PORT=4711\0"s));
  EXPECT_THAT(environment, HasSubstr("\0SERVER_ID=S 1\0"s));
  EXPECT_THAT(environment, HasSubstr("\0RINGMASTER_TEST_KEPT=kept\0"s));
  EXPECT_THAT(environment, Not(HasSubstr("\0PORT=1\0"s)));
}

TEST(Spawn, ChildHasNoDescriptorOfOursAndNullForInput) {
  const Fd careless(::open("/etc/passwd", O_RDONLY));  // without O_CLOEXEC
  const auto child = sleeper();
  ASSERT_TRUE(child);
  const std::string folder = "/proc/" + std::to_string(child->pid) + "/fd/";
  char target[256] = "";
  EXPECT_GT(::readlink((folder + "0").c_str(), target, sizeof target - 1), 0);
  EXPECT_STREQ(target, "/dev/null");
  // The child's own loader has a library open for a moment; what it had from us would stay.
  int left = 100;
  for (const uint64_t give_up_ns = monotonic_ns() + 10'000'000'000; left > 0 && monotonic_ns() < give_up_ns;) {
    left = 0;
    for (int descriptor = 3; descriptor < 100; ++descriptor) {
      left += ::access((folder + std::to_string(descriptor)).c_str(), F_OK) == 0;
    }
  }
  EXPECT_EQ(left, 0);
  signal_group(*child, SIGKILL);
  wait_for(*child);
}

TEST(Spawn, ChildHasNoBlockedSignalAndAGroupOfItsOwn) {
  sigset_t some, before;
  sigemptyset(&some);
  sigaddset(&some, SIGTERM);
  sigaddset(&some, SIGINT);
  pthread_sigmask(SIG_BLOCK, &some, &before);
  const auto old_pipe = ::signal(SIGPIPE, SIG_IGN);
  const auto child = sleeper();
  ::signal(SIGPIPE, old_pipe);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(child);
  EXPECT_EQ(::getpgid(child->pid), child->pid);
  const std::string status = contents("/proc/" + std::to_string(child->pid) + "/status");
  EXPECT_THAT(status, HasSubstr("SigBlk:\t0000000000000000"));
  EXPECT_THAT(status, HasSubstr("SigIgn:\t0000000000000000"));
  signal_group(*child, SIGTERM);
  EXPECT_EQ(wait_for(*child).text, "killed by signal 15 (Terminated)");
}

TEST(Spawn, ChildDiesWithTheThreadThatMadeIt) {
  Result<Child> child = std::unexpected(Error{});
  std::thread([&] { child = sleeper(); }).join();
  ASSERT_TRUE(child);
  EXPECT_EQ(wait_for(*child).text, "killed by signal 9 (Killed)");
}

TEST(Spawn, ReapingTakesTheGroupAlong) {
  // The shell ends at once and leaves a child of its own behind.
  const TempFile told("");
  const auto child = spawn("/bin/sh", {"sh", "-c", "sleep 1000 & echo $! > \"$RINGMASTER_TEST_FILE\""},
                           {{"RINGMASTER_TEST_FILE", told.path()}});
  ASSERT_TRUE(child);
  EXPECT_EQ(wait_for(*child).exit_status, 0);
  const int grandchild = std::stoi(contents(told.path()));
  // Whoever takes in orphans reaps it in its own time: gone, or a zombie, is dead.
  for (int i = 0; i < 1000; ++i) {
    const std::string stat = contents("/proc/" + std::to_string(grandchild) + "/stat");
    if (stat.empty() || stat.find(") Z") != std::string::npos) return;
    std::this_thread::yield();
    ::poll(nullptr, 0, 1);
  }
  FAIL() << "the grandchild lives on";
}

TEST(FindProgram, LooksBesideUsThenOnPath) {
  EXPECT_EQ(find_program("/bin/sh"), "/bin/sh");
  EXPECT_EQ(find_program("/bin/nothing-like-this"), "");
  EXPECT_EQ(find_program("/bin"), "") << "a folder is no program";
  EXPECT_THAT(find_program("sh"), testing::EndsWith("/sh"));
  EXPECT_EQ(find_program("nothing-like-this"), "");
  EXPECT_THAT(find_program("admin_test"), HasSubstr("/admin/admin_test")) << "our own folder is not on PATH";
}

TEST(RequireProgram, SaysWhatIsInTheWay) {
  const auto complaint = [](const char* name) {
    try {
      require_program(name);
      return std::string("nothing");
    } catch (const StartError& error) {
      return std::string(error.what()) + "; " + error.remedy();
    }
  };
  EXPECT_EQ(complaint("/bin/sh"), "nothing");
  EXPECT_EQ(complaint("/bin"), "replicas.command: '/bin' cannot be run: it is no file; "
                               "give the path of a program that is there");
  EXPECT_EQ(complaint("/bin/nothing"), "replicas.command: '/bin/nothing' cannot be run: No such file or directory; "
                                       "give the path of a program that is there");
  EXPECT_EQ(complaint("/etc/passwd"), "replicas.command: '/etc/passwd' cannot be run: Permission denied; "
                                      "let the user that ringmaster runs as execute it (chmod +x)");
  EXPECT_EQ(complaint("nothing-like-this"), "replicas.command: no program 'nothing-like-this' beside ringmaster or on "
                                            "PATH; build or install it, or give its path");
}

TEST(ReservePort, NobodyElseIsGivenItButAServerCanBindIt) {
  const auto held = reserve_port();
  ASSERT_TRUE(held);
  for (int i = 0; i < 200; ++i) {
    const auto other = reserve_port();
    ASSERT_TRUE(other);
    EXPECT_NE(other->port, held->port);
  }
  const Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(server.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const SocketAddress address = SocketAddress::loopback(held->port);
  EXPECT_EQ(::bind(server.get(), address.data(), address.length()), 0);
  EXPECT_EQ(::listen(server.get(), 1), 0);
}

}  // namespace
}  // namespace ringmaster::admin
