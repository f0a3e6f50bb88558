#include "uring/buffer_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "base/error.h"

namespace ringmaster::uring {

namespace {

// Most buffers only ever hold a small message: with huge pages the first byte of one would cost 2 MiB.
void keep_small_pages(char* memory, size_t size) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + page - 1) & ~(page - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + size) & ~(page - 1);
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_NOHUGEPAGE);
}

constexpr size_t cache_line = 64;

constexpr size_t rounded_to_line(size_t bytes) { return (bytes + cache_line - 1) / cache_line * cache_line; }

// A bulk or large buffer's description lies in front of its bytes, in the same allocation.
constexpr size_t bulk_header_bytes = rounded_to_line(sizeof(Buffer));

size_t footprint(uint32_t capacity) { return rounded_to_line(size_t{headroom_bytes} + capacity + tailroom_bytes); }

}  // namespace

void Lease::reset() noexcept {
  if (buffer_) pool_->give_back(*std::exchange(buffer_, nullptr));
}

BufferPool::BufferPool(Ring& ring, const BufferSettings& settings)
    : ring_(ring),
      settings_(settings),
      bulk_{.bytes = settings.bulk_bytes, .kept_max = settings.bulk_kept_max},
      large_{.bytes = settings.large_bytes, .kept_max = settings.large_kept_max} {
  ensure(settings.provided_initial > 0 && settings.provided_initial <= settings.provided_max);
  ensure(settings.bulk_bytes < settings.large_bytes);  // give_back() tells them apart by it
  provided_.reserve(settings.provided_max);
  memory_.reserve(32);  // each growth doubles: 16 bits of buffer_id are used up long before
  ring_.set_up_buffers(settings.provided_max);
  if (!add_provided(settings.provided_initial)) {
    throw StartError(ExitCode::configuration, "no memory for the receive buffers",
                     "raise the memory limit, or run fewer workers");
  }
}

BufferPool::~BufferPool() {
  ensure(provided_leased_ == 0 && bulk_leased() == 0);
  for (Kind* kind : {&bulk_, &large_}) {
    while (Buffer* buffer = kind->free) {
      kind->free = buffer->next_free;
      ::operator delete(buffer, std::align_val_t{cache_line});
    }
  }
}

Lease BufferPool::adopt(uint16_t buffer_id) noexcept {
  ensure(buffer_id < provided_.size());
  Buffer& buffer = provided_[buffer_id];
  ensure(!buffer.leased);
  buffer.leased = true;
  ++provided_leased_;
  return Lease(*this, buffer);
}

Lease BufferPool::take_bulk(uint32_t at_least) noexcept {
  if (at_least > large_.bytes) return {};
  return take(at_least <= bulk_.bytes ? bulk_ : large_);
}

Lease BufferPool::take_large() noexcept { return take(large_.leased < settings_.large_max ? large_ : bulk_); }

Lease BufferPool::take(Kind& kind) noexcept {
  Buffer* buffer = kind.free;
  if (buffer) {
    kind.free = buffer->next_free;
    --kind.free_count;
  } else {
    void* memory =
        ::operator new(bulk_header_bytes + footprint(kind.bytes), std::align_val_t{cache_line}, std::nothrow);
    if (!memory) return {};
    buffer = new (memory) Buffer{.base = static_cast<char*>(memory) + bulk_header_bytes, .capacity = kind.bytes};
  }
  buffer->leased = true;
  ++kind.leased;
  return Lease(*this, *buffer);
}

void BufferPool::give_back(Buffer& buffer) noexcept {
  ensure(buffer.leased);
  buffer.leased = false;
  if (buffer.id != Completion::no_buffer) {
    --provided_leased_;
    ring_.provide_buffer(buffer.id, {buffer.space(), buffer.capacity});
    return;
  }
  keep_or_free(buffer.capacity == bulk_.bytes ? bulk_ : large_, buffer);
}

void BufferPool::keep_or_free(Kind& kind, Buffer& buffer) noexcept {
  --kind.leased;
  if (kind.free_count >= kind.kept_max) {
    ::operator delete(&buffer, std::align_val_t{cache_line});
    return;
  }
  buffer.next_free = std::exchange(kind.free, &buffer);
  ++kind.free_count;
}

bool BufferPool::grow() noexcept {
  const uint32_t room = settings_.provided_max - provided_total();
  return room > 0 && add_provided(std::min(room, provided_total()));
}

// One allocation for all of them, not touched here: a page becomes real when the kernel first fills it.
bool BufferPool::add_provided(uint32_t count) noexcept {
  const size_t stride = footprint(settings_.provided_bytes);
  std::unique_ptr<char[]> memory(new (std::nothrow) char[stride * count]);
  if (!memory) return false;
  keep_small_pages(memory.get(), stride * count);
  for (uint32_t i = 0; i < count; ++i) {
    const auto id = static_cast<uint16_t>(provided_.size());
    Buffer& buffer = provided_.emplace_back(
        Buffer{.base = memory.get() + stride * i, .capacity = settings_.provided_bytes, .id = id});
    ring_.provide_buffer(id, {buffer.space(), buffer.capacity});
  }
  memory_.push_back(std::move(memory));
  return true;
}

}  // namespace ringmaster::uring
