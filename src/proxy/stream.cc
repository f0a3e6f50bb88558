#include "proxy/stream.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace ringmaster::proxy {

Stream::~Stream() {
  ensure(joined() && !linked());
  drop_all();
}

// --- receiving ------------------------------------------------------------------------------------------------------

void Stream::want(Want want, bool expect_empty) noexcept {
  want_ = want;
  expect_empty_ = expect_empty;
  if (want == Want::nothing || want == Want::bulk) stop_multishot();
  if (want != Want::bulk) forget_receive();
  arm();
}

void Stream::arm() noexcept {
  if (receiving_ != Receiving::off || want_ == Want::nothing) return;
  if (terminating_ || last_ || ended_ || receive_failed_) return;
  if (enough()) return;  // take_front() arms when all has been taken
  if (want_ == Want::bulk) {
    receiving_ = Receiving::waiting;
    wait_for_turn();
  } else if (want_ == Want::one) {
    receiving_ = Receiving::one;
    tools_.ring.receive_one(socket_, expect_empty_, receive_token_);
  } else {
    receiving_ = Receiving::multishot;
    tools_.ring.receive_multishot(socket_, expect_empty_, receive_token_);
  }
}

void Stream::receive_into(uring::Lease lease) noexcept {
  bulk_ = std::move(lease);
  if (!bulk_) {
    // No memory for a large buffer: the provided ones are there already.
    receiving_ = Receiving::multishot;
    tools_.ring.receive_multishot(socket_, true, receive_token_);
    return;
  }
  receiving_ = Receiving::bulk;
  tools_.ring.receive(socket_, {bulk_.space(), bulk_.capacity()}, expect_empty_, receive_token_);
}

void Stream::stop_multishot() noexcept {
  if (receiving_ == Receiving::multishot) stop_receiving();
}

void Stream::stop_receiving() noexcept {
  forget_receive();
  if (receiving_ == Receiving::off || stopping_) return;
  stopping_ = true;
  tools_.ring.cancel(receive_token_);
}

// The group was found empty. In a burst many streams meet it so within one loop, and most buffers are back when they
// say so here: growing for each of them would end at the bound, so without real need it grows ten times a second at
// most. false: every buffer is in use, and there may be no more.
bool Stream::find_buffers() noexcept {
  constexpr uint64_t pause_ns = 100'000'000;
  uring::BufferPool& buffers = tools_.buffers;
  const bool scarce = buffers.provided_leased() * 2 >= buffers.provided_total();
  if (!scarce && tools_.ring.now_ns() - tools_.grown_ns < pause_ns) return true;
  if (buffers.grow()) {
    tools_.grown_ns = tools_.ring.now_ns();
    return true;
  }
  return buffers.provided_leased() < buffers.provided_total();
}

Arrival Stream::on_receive(const uring::Completion& completion) noexcept {
  uring::Lease lease;
  if (completion.buffer_id != uring::Completion::no_buffer) lease = tools_.buffers.adopt(completion.buffer_id);
  else if (receiving_ == Receiving::bulk) lease = std::move(bulk_);
  if (!completion.more) {
    receiving_ = Receiving::off;
    stopping_ = false;
  }
  if (terminating_ || receive_failed_) return Arrival::nothing;
  if (completion.result > 0) {
    if (!enqueue(std::move(lease), static_cast<uint32_t>(completion.result))) return fail(ENOMEM);
    expect_empty_ = false;
    if (enough()) stop_multishot();
    // All but a multishot receive come one at a time, at their owner's wish; that one, where it ended by itself, is
    // armed again.
    if (want_ != Want::small) want_ = Want::nothing;
    else if (!filled_) arm();  // after a full buffer more is waiting: its owner says how to take it
    return Arrival::bytes;
  }
  if (completion.result == 0) {
    ended_ = true;
    return Arrival::end;
  }
  if (completion.result == -ENOBUFS) {
    tools_.meters.receive_enobufs.add();
    expect_empty_ = false;
    if (want_ == Want::nothing || want_ == Want::bulk || find_buffers()) arm();
    else if (receiving_ == Receiving::off) receive_into(tools_.buffers.take_bulk());
    return Arrival::nothing;
  }
  if (completion.result == -ECANCELED) {
    arm();
    return Arrival::nothing;
  }
  return fail(-completion.result);
}

// Nothing that still arrives is taken: after a gap it would be read as something else.
Arrival Stream::fail(int errno_value) noexcept {
  receive_failed_ = true;
  last_error_ = errno_value;
  stop_multishot();
  return Arrival::failed;
}

bool Stream::is_ours(int errno_value) noexcept {
  switch (errno_value) {
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
    case EAGAIN:
    case ECANCELED:
    case EADDRNOTAVAIL: return true;  // the last one: every local port is in use
    default: return false;
  }
}

bool Stream::enqueue(uring::Lease lease, uint32_t size) noexcept {
  const bool filled = size == lease.capacity();
  Piece* piece = tools_.pieces.make(std::move(lease), size);
  if (!piece) return false;
  filled_ = filled;
  if (tail_) tail_->next = piece;
  else head_ = piece;
  tail_ = piece;
  ++queued_;
  return true;
}

uring::Lease Stream::take_front() noexcept {
  Piece* piece = head_;
  uring::Lease lease = std::move(piece->lease);
  head_ = piece->next;
  if (!head_) tail_ = nullptr;
  --queued_;
  tools_.pieces.free(piece->index);
  if (queued_ == 0 && !filled_) arm();
  return lease;
}

void Stream::drop_front() noexcept {
  take_front();
  if (queued_ == 0) arm();
}

bool Stream::split_front(char* rest, uring::Lease& lease) noexcept {
  const auto size = static_cast<uint32_t>(head_->end - rest);
  uring::Lease copy = tools_.buffers.take_bulk(size);
  if (!copy) return false;
  memcpy(copy.space(), rest, size);
  lease = std::move(head_->lease);
  head_->lease = std::move(copy);
  head_->begin = head_->lease.space();
  head_->end = head_->begin + size;
  return true;
}

void Stream::drop_all() noexcept {
  while (head_) {
    Piece* piece = head_;
    head_ = piece->next;
    tools_.pieces.free(piece->index);
  }
  tail_ = nullptr;
  queued_ = 0;
}

// --- sending --------------------------------------------------------------------------------------------------------

void Stream::send(std::span<const char> bytes) noexcept {
  ensure(!sending_ && !bytes.empty());
  sending_ = true;
  handed_over_ = false;
  unsent_ = bytes.data();
  send_size_ = static_cast<uint32_t>(bytes.size());
  if (send_size_ > tools_.bulk_from) wait_for_turn();
  else submit_send();
}

void Stream::send(uring::Lease lease, std::span<const char> bytes) noexcept {
  outgoing_ = std::move(lease);
  send(bytes);
}

void Stream::send_last(uring::Lease lease, std::span<const char> bytes) noexcept {
  last_ = true;
  stop_receiving();
  send(std::move(lease), bytes);
}

void Stream::submit_send() noexcept {
  send_begin_ = std::exchange(unsent_, nullptr);
  const std::span<const char> bytes(send_begin_, send_size_);
  if (!last_) return tools_.ring.send(socket_, bytes, uring::SendMode::now, send_token_);
  const auto mode = receiving() ? uring::SendMode::then_close : uring::SendMode::with_end;
  tools_.ring.send(std::exchange(socket_, -1), bytes, mode, send_token_);
}

Sent Stream::on_send(const uring::Completion& completion) noexcept {
  sending_ = false;
  const bool probed = std::exchange(probing_, false) && !terminating_;
  if (probed && completion.result > 0 && static_cast<uint32_t>(completion.result) < send_size_) {
    const auto gone = static_cast<uint32_t>(completion.result);
    send({send_begin_ + gone, send_size_ - gone});
    handed_over_ = true;
    return Sent::some;
  }
  outgoing_.reset();
  handed_over_ = completion.result > 0;
  if (completion.result >= 0 && static_cast<uint32_t>(completion.result) == send_size_) return Sent::all;
  if (probed && completion.result == -ECANCELED) last_error_ = ETIMEDOUT;
  if (last_error_ == 0) last_error_ = completion.result < 0 ? -completion.result : EPIPE;
  return Sent::failed;
}

bool Stream::probe_send() noexcept {
  if (!sending_ || last_ || terminating_) return false;
  if (!unsent_ && !std::exchange(probing_, true)) tools_.ring.cancel(send_token_);
  return true;
}

// --- turns ----------------------------------------------------------------------------------------------------------

void Stream::wait_for_turn() noexcept {
  if (!linked()) tools_.turns.push_back(*this);
}

void Stream::take_turn() noexcept {
  ensure(!linked() && (unsent_ || receiving_ == Receiving::waiting));
  if (unsent_) {
    submit_send();
    if (receiving_ == Receiving::waiting) wait_for_turn();
  } else {
    receive_into(tools_.buffers.take_large());
  }
}

void Stream::forget_receive() noexcept {
  if (receiving_ != Receiving::waiting) return;
  receiving_ = Receiving::off;
  if (!unsent_) unlink();
}

void Stream::forget_send() noexcept {
  if (!unsent_) return;
  unsent_ = nullptr;
  sending_ = false;
  outgoing_.reset();
  if (receiving_ != Receiving::waiting) unlink();
}

// --- ending ---------------------------------------------------------------------------------------------------------

void Stream::begin_ending() noexcept {
  terminating_ = true;
  want_ = Want::nothing;
  forget_receive();
  forget_send();
  drop_all();
}

void Stream::terminate() noexcept {
  if (terminating_) return;
  begin_ending();
  if (joined()) return;
  // shutdown(2) completes a multishot receive and a blocked send alike; a cancel by descriptor can miss the latter.
  if (!closed()) tools_.ring.shut_down(socket_, false);
  else if (sending_) tools_.ring.cancel(send_token_);  // the descriptor is gone
}

void Stream::retire() noexcept {
  ensure(!sending_);
  begin_ending();
  stop_receiving();
}

void Stream::abort() noexcept {
  if (terminating_) return;
  begin_ending();
  aborting_ = true;
  // No shutdown here: it would send the orderly end first.
  stop_receiving();
  if (sending_) tools_.ring.cancel(send_token_);
}

void Stream::close() noexcept {
  ensure(joined());
  if (closed()) return;
  if (aborting_) tools_.ring.reset_on_close(socket_);
  tools_.ring.close(socket_);
  socket_ = -1;
}

}  // namespace ringmaster::proxy
