#include "outgoing.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "wire.h"

namespace ringmaster::perf {

std::string& Outgoing::begin(uint64_t pattern_bytes) noexcept {
  text_.clear();
  pattern_bytes_ = pattern_bytes;
  sent_ = 0;
  return text_;
}

Result<bool> Outgoing::send_to(int socket) noexcept {
  while (!is_done()) {
    std::array<iovec, 2> pieces{};
    size_t count = 0;
    if (sent_ < text_.size()) pieces[count++] = {text_.data() + sent_, text_.size() - sent_};
    if (pattern_bytes_ > 0) {
      const uint64_t offset = sent_ < text_.size() ? 0 : sent_ - text_.size();
      const auto body = pattern().substr(offset % pattern().size()).substr(0, pattern_bytes_ - offset);
      pieces[count++] = {const_cast<char*>(body.data()), body.size()};
    }
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    const ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return false;
    if (sent < 0 && errno != EINTR) return std::unexpected(Error::from_errno(errno, "send"));
    if (sent > 0) sent_ += static_cast<uint64_t>(sent);
  }
  return true;
}

}  // namespace ringmaster::perf
