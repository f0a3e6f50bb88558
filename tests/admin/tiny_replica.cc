// The smallest replica there can be, with the faults that the tests of the process runtime want as its arguments:
//
//   exit N          ends at once with that status
//   deaf            ignores SIGTERM
//   private         does not set SO_REUSEADDR
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

int number(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

int listen_on(uint16_t port, bool reuse) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (reuse) ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) ::_exit(98);
  if (::listen(listener, 64) != 0) ::_exit(99);
  return listener;
}

void answer(int client) {
  char request[4096];
  if (::read(client, request, sizeof request) > 0) {
    constexpr std::string_view reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    [[maybe_unused]] const ssize_t sent = ::write(client, reply.data(), reply.size());
  }
  ::close(client);
}

}  // namespace

int main(int count, char** arguments) {
  bool reuse = true;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = arguments[i];
    if (word == "exit") return i + 1 < count ? number(arguments[i + 1]) : 0;
    if (word == "deaf") ::signal(SIGTERM, SIG_IGN);
    if (word == "private") reuse = false;
  }
  const char* port = ::getenv("PORT");
  const int listener = listen_on(static_cast<uint16_t>(number(port ? port : "")), reuse);
  for (;;) {
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0) return 1;
    answer(client);
  }
}
