// Receive buffers: where the bytes of a message arrive, are rewritten, and leave from, without being copied.
//
// Two kinds, one type for their holder:
//   provided   the ring's group that multishot receives fill. The kernel takes them in turn; the pool gives them back.
//              The pool begins small and grows whenever the group was found empty (ENOBUFS), up to a bound: memory
//              follows the number of buffers in use at once, not the number of connections.
//   bulk       large ones for the bodies of messages that have shown their size, one at a time for each connection
//              and direction, and one more that is being sent; and for heads that fit nowhere else.
//   large      twice as large, for the same bodies while few of them are out: a receive takes more of what has come,
//              and less waits in sockets, out of the caches (1 MiB answers over 16 connections: 0.8 of what they cost
//              with bulk ones alone). Where many bodies are under way at once, memory counts more, and the rest get
//              bulk. 1 MiB each would give 0.7, but delay small requests beside a worker's full load of such bodies.
// Free ones of the latter two are kept, last in first out, up to a bound; the memory of a free one beyond it goes back
// to the allocator. A worker's bodies so hold at most large_max * large_bytes + n * 2 * bulk_bytes for n of them.
// Each has room in front (headroom) and behind (tailroom) that the kernel never writes: a rewritten head grows into
// the first, chunk framing into both, so that head, framing and body leave in one send from one place.
//
// A buffer has one holder at a time: the pool, the kernel, or a Lease. All of it belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "uring/ring.h"

namespace ringmaster::uring {

struct BufferSettings {
  uint16_t provided_initial = 64;
  uint16_t provided_max = 4096;                 // a power of two
  uint32_t provided_bytes = 64 * 1024 + 1024;   // for the kernel to fill, each
  uint32_t bulk_bytes = 256 * 1024;
  uint32_t bulk_kept_max = 16;                  // free ones that are not given back to the allocator
  uint32_t large_bytes = 512 * 1024;            // more than bulk_bytes
  uint32_t large_max = 32;                      // leased for bodies at the same time
  uint32_t large_kept_max = 8;
};

inline constexpr uint32_t headroom_bytes = 1024;
inline constexpr uint32_t tailroom_bytes = 64;

struct Buffer {
  char* base = nullptr;        // headroom | capacity | tailroom
  uint32_t capacity = 0;       // bytes that a receive may fill, from base + headroom_bytes
  uint16_t id = Completion::no_buffer;  // provided only
  bool leased = false;
  Buffer* next_free = nullptr;          // not of provided ones

  char* space() const noexcept { return base + headroom_bytes; }
};

class BufferPool;

// Holds one buffer; gives it back when it goes.
class Lease {
 public:
  Lease() noexcept = default;
  Lease(BufferPool& pool, Buffer& buffer) noexcept : pool_(&pool), buffer_(&buffer) {}
  Lease(Lease&& other) noexcept : pool_(other.pool_), buffer_(std::exchange(other.buffer_, nullptr)) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      reset();
      pool_ = other.pool_;
      buffer_ = std::exchange(other.buffer_, nullptr);
    }
    return *this;
  }
  ~Lease() { reset(); }

  explicit operator bool() const noexcept { return buffer_ != nullptr; }
  void reset() noexcept;
  char* low() const noexcept { return buffer_->base; }                    // first byte that a holder may write
  char* space() const noexcept { return buffer_->space(); }               // where received bytes begin
  char* high() const noexcept { return space() + buffer_->capacity + tailroom_bytes; }  // one past the last
  uint32_t capacity() const noexcept { return buffer_->capacity; }

 private:
  BufferPool* pool_ = nullptr;
  Buffer* buffer_ = nullptr;
};

// Allocates only in its constructor, in grow(), and in take_bulk() and take_large() where no free one is kept.
class BufferPool {
 public:
  // Throws StartError where there is no memory. The ring outlives the pool.
  BufferPool(Ring& ring, const BufferSettings& settings);
  ~BufferPool();  // every lease must have come back, and the ring must have no receive_multishot in flight
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // The buffer that a receive_multishot completion names. Call exactly once for each such completion.
  Lease adopt(uint16_t buffer_id) noexcept;
  // A bulk buffer; a large one where `at_least` wants it. Empty where there is no memory, or none is that large.
  Lease take_bulk(uint32_t at_least = 0) noexcept;
  // For a body of which much is to come: a large buffer while fewer than large_max are leased, else a bulk one.
  Lease take_large() noexcept;
  // After -ENOBUFS: doubles the number of buffers, up to the bound. false: at the bound, or no memory; wait for
  // leases to come back.
  bool grow() noexcept;

  uint32_t provided_total() const noexcept { return static_cast<uint32_t>(provided_.size()); }
  uint32_t provided_leased() const noexcept { return provided_leased_; }
  uint32_t bulk_leased() const noexcept { return bulk_.leased + large_.leased; }   // large ones too

 private:
  friend class Lease;
  // Buffers of one size that are allocated one by one.
  struct Kind {
    const uint32_t bytes;
    const uint32_t kept_max;
    Buffer* free = nullptr;
    uint32_t free_count = 0;
    uint32_t leased = 0;
  };
  Lease take(Kind& kind) noexcept;
  void give_back(Buffer& buffer) noexcept;
  void keep_or_free(Kind& kind, Buffer& buffer) noexcept;
  bool add_provided(uint32_t count) noexcept;

  Ring& ring_;
  const BufferSettings settings_;
  std::vector<Buffer> provided_;  // reserved to provided_max: never moves
  std::vector<std::unique_ptr<char[]>> memory_;
  Kind bulk_;
  Kind large_;
  uint32_t provided_leased_ = 0;
};

}  // namespace ringmaster::uring
