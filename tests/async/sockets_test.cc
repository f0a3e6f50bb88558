#include "async/sockets.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

namespace ringmaster::async {
namespace {

int option(int socket, int level, int name) {
  int value = -1;
  socklen_t length = sizeof value;
  EXPECT_EQ(getsockopt(socket, level, name, &value, &length), 0);
  return value;
}

class UnixSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ringmaster-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    path_ = directory_ + "/socket";
    address_ = *SocketAddress::parse("unix:" + path_);
  }
  void TearDown() override {
    unlink(path_.c_str());
    rmdir(directory_.c_str());
  }
  bool exists() const { return access(path_.c_str(), F_OK) == 0; }

  std::string directory_;
  std::string path_;
  SocketAddress address_;
};

TEST(SocketsTest, AcceptedSocketsInheritNoDelayAndKeepAlive) {
  const Result<Listener> listener = listen_on(SocketAddress::loopback(0));
  ASSERT_TRUE(listener);
  const SocketAddress address = *bound_address(listener->get());
  EXPECT_NE(address.port(), 0);
  const Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(client.get(), address.data(), address.length()), 0);
  const Fd accepted(accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted);
  EXPECT_EQ(option(accepted.get(), IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option(accepted.get(), SOL_SOCKET, SO_KEEPALIVE), 1);
}

TEST(SocketsTest, OnlyReusePortLetsTwoListenOnOneAddress) {
  const Result<Listener> first = listen_on(SocketAddress::loopback(0), {.reuse_port = true});
  ASSERT_TRUE(first);
  const SocketAddress address = *bound_address(first->get());
  EXPECT_TRUE(listen_on(address, {.reuse_port = true}));
  const Result<Listener> refused = listen_on(address);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().number, EADDRINUSE);
}

TEST_F(UnixSocketTest, IsOpenToOwnerAndGroupAndRemovedAtTheEnd) {
  {
    const Result<Listener> listener = listen_on(address_);
    ASSERT_TRUE(listener);
    struct stat found;
    ASSERT_EQ(stat(path_.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0660u);
  }
  EXPECT_FALSE(exists());
}

TEST_F(UnixSocketTest, ReplacesAPathThatNobodyListensOn) {
  {
    const Fd left_behind(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(left_behind.get(), address_.data(), address_.length()), 0);
  }
  ASSERT_TRUE(exists());
  EXPECT_TRUE(listen_on(address_));
}

TEST_F(UnixSocketTest, LeavesAPathAloneThatSomebodyListensOn) {
  const Result<Listener> listener = listen_on(address_);
  ASSERT_TRUE(listener);
  const Result<Listener> second = listen_on(address_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().number, EADDRINUSE);
  EXPECT_TRUE(exists());
}

TEST_F(UnixSocketTest, LeavesAFileAloneThatIsNoSocket) {
  FILE* file = fopen(path_.c_str(), "w");
  ASSERT_NE(file, nullptr);
  fclose(file);
  EXPECT_FALSE(listen_on(address_));
  EXPECT_TRUE(exists());
}

}  // namespace
}  // namespace ringmaster::async
