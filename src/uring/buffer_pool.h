// Receive buffers: where the bytes of a message arrive, are rewritten, and leave from, without being copied.
//
// Two kinds, one type for their holder:
//   provided   the ring's group that multishot receives fill. The kernel takes them in turn; the pool gives them back.
//              The pool begins small and grows whenever the group was found empty (ENOBUFS), up to a bound: memory
//              follows the number of buffers in use at once, not the number of connections.
//   bulk       large ones for the bodies of messages that have shown their size, one at a time for each connection
//              and direction. Free ones are kept, last in first out, up to a bound.
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
};

inline constexpr uint32_t headroom_bytes = 1024;
inline constexpr uint32_t tailroom_bytes = 64;

struct Buffer {
  char* base = nullptr;        // headroom | capacity | tailroom
  uint32_t capacity = 0;       // bytes that a receive may fill, from base + headroom_bytes
  uint16_t id = Completion::no_buffer;  // provided only
  bool leased = false;
  Buffer* next_free = nullptr;          // bulk only

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

// Allocates only in its constructor, in grow(), and in take_bulk() where no free one is kept.
class BufferPool {
 public:
  // Throws StartError where there is no memory. The ring outlives the pool.
  BufferPool(Ring& ring, const BufferSettings& settings);
  ~BufferPool();  // every lease must have come back, and the ring must have no receive_multishot in flight
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // The buffer that a receive_multishot completion names. Call exactly once for each such completion.
  Lease adopt(uint16_t buffer_id) noexcept;
  // A large buffer. Empty where there is no memory.
  Lease take_bulk() noexcept;
  // After -ENOBUFS: doubles the number of buffers, up to the bound. false: at the bound, or no memory; wait for
  // leases to come back.
  bool grow() noexcept;

  uint32_t provided_total() const noexcept { return static_cast<uint32_t>(provided_.size()); }
  uint32_t provided_leased() const noexcept { return provided_leased_; }
  uint32_t bulk_leased() const noexcept { return bulk_leased_; }

 private:
  friend class Lease;
  void give_back(Buffer& buffer) noexcept;
  bool add_provided(uint32_t count) noexcept;

  Ring& ring_;
  const BufferSettings settings_;
  std::vector<Buffer> provided_;  // reserved to provided_max: never moves
  std::vector<std::unique_ptr<char[]>> memory_;
  Buffer* free_bulk_ = nullptr;
  uint32_t free_bulk_count_ = 0;
  uint32_t provided_leased_ = 0;
  uint32_t bulk_leased_ = 0;
};

}  // namespace ringmaster::uring
