// Loaded in front of ringmaster (LD_PRELOAD) by the drill `injected_faults`: a machine at its end, for the worker
// threads of the real program. Every n-th allocation finds no memory, every n-th operation of the ring ends with
// ENOMEM, every n-th socket(2) finds no descriptor.
//
// An operation fails in the kernel, by being submitted as IORING_OP_NOP with the result that is wanted
// (IORING_NOP_INJECT_RESULT, Linux 6.10); nothing of it happens. Closes and cancels are left alone.
//
// RINGMASTER_EXHAUSTION names a file of five 64-bit numbers, which the drill changes and reads while the program runs.
#include <dlfcn.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

struct Board {
  std::atomic<uint64_t> allocations_every, operations_every;                      // by the drill; 0: none
  std::atomic<uint64_t> allocations_failed, operations_failed, operations_seen;   // by us
};

Board* open_board() {
  const char* path = std::getenv("RINGMASTER_EXHAUSTION");
  if (!path || std::strcmp(program_invocation_short_name, "ringmaster") != 0) return nullptr;
  const int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return nullptr;
  void* memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  return memory == MAP_FAILED ? nullptr : static_cast<Board*>(memory);
}

Board* const board = open_board();
thread_local uint64_t allocations, operations;

bool on_worker() {
  char name[17] = "";
  prctl(PR_GET_NAME, name);
  return std::strncmp(name, "worker", 6) == 0;
}

bool allocation_fails() {
  const uint64_t every = board ? board->allocations_every.load(std::memory_order_relaxed) : 0;
  if (every == 0 || !on_worker() || ++allocations % every != 0) return false;
  board->allocations_failed.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool operation_fails() {
  const uint64_t every = board ? board->operations_every.load(std::memory_order_relaxed) : 0;
  if (every == 0 || !on_worker()) return false;
  board->operations_seen.fetch_add(1, std::memory_order_relaxed);
  if (++operations % every != 0) return false;
  board->operations_failed.fetch_add(1, std::memory_order_relaxed);
  return true;
}

template <class Function>
Function* next(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

void* take(size_t size, size_t alignment) {
  if (allocation_fails()) return nullptr;
  if (alignment == 0) return std::malloc(size ? size : 1);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* take_or_throw(size_t size, size_t alignment) {
  void* memory = take(size, alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}

void spoil_queued(io_uring* ring) {
  for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; ++i) {
    io_uring_sqe& entry = ring->sq.sqes[i & ring->sq.ring_mask];
    switch (entry.opcode) {
      case IORING_OP_ACCEPT:
      case IORING_OP_CONNECT:
      case IORING_OP_RECV:
      case IORING_OP_SEND: break;
      default: continue;
    }
    if (!operation_fails()) continue;
    const auto user_data = entry.user_data;
    const uint8_t link = entry.flags & IOSQE_IO_LINK;  // what hangs on it is not done either
    entry = {};
    entry.flags = link;
    entry.opcode = IORING_OP_NOP;
    entry.fd = -1;
    entry.len = static_cast<uint32_t>(-ENOMEM);
    entry.rw_flags = 1;  // IORING_NOP_INJECT_RESULT
    entry.user_data = user_data;
  }
}

}  // namespace

void* operator new(size_t size) { return take_or_throw(size, 0); }
void* operator new[](size_t size) { return take_or_throw(size, 0); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return take(size, 0); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return take(size, 0); }
void* operator new(size_t size, std::align_val_t to) { return take_or_throw(size, static_cast<size_t>(to)); }
void* operator new[](size_t size, std::align_val_t to) { return take_or_throw(size, static_cast<size_t>(to)); }
void* operator new(size_t size, std::align_val_t to, const std::nothrow_t&) noexcept {
  return take(size, static_cast<size_t>(to));
}
void* operator new[](size_t size, std::align_val_t to, const std::nothrow_t&) noexcept {
  return take(size, static_cast<size_t>(to));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept { std::free(memory); }

extern "C" {

int io_uring_submit(io_uring* ring) {
  static const auto real = next(&io_uring_submit, "io_uring_submit");
  spoil_queued(ring);
  return real(ring);
}

int io_uring_submit_and_get_events(io_uring* ring) {
  static const auto real = next(&io_uring_submit_and_get_events, "io_uring_submit_and_get_events");
  spoil_queued(ring);
  return real(ring);
}

int io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** cqe, unsigned wait, __kernel_timespec* time,
                                     sigset_t* mask) {
  static const auto real = next(&io_uring_submit_and_wait_timeout, "io_uring_submit_and_wait_timeout");
  spoil_queued(ring);
  return real(ring, cqe, wait, time, mask);
}

int socket(int family, int type, int protocol) noexcept {
  static const auto real = next(&socket, "socket");
  if (operation_fails()) {
    errno = EMFILE;
    return -1;
  }
  return real(family, type, protocol);
}

}  // extern "C"
