// Counts a program's allocations while it runs: a library for LD_PRELOAD.
//
//   COUNT_ALLOC_FILE=/tmp/counts LD_PRELOAD=…/libcount_alloc.so program
//
// The file holds two 64-bit numbers, allocations and releases so far, of all threads; whoever maps or reads it can take
// a difference over any stretch of time. malloc, calloc, realloc, the aligned ones and operator new count alike. Works
// with allocators that are shared libraries too (they are next in line); a program that has an allocator linked in
// statically never calls here: the file then stays at zero, which no real program does, and readers must say so.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

struct Counts {
  std::atomic<uint64_t> allocations{0};
  std::atomic<uint64_t> releases{0};
};

Counts own_counts;
constinit std::atomic<Counts*> counts{&own_counts};

struct Allocator {
  void* (*malloc)(size_t) = nullptr;
  void* (*calloc)(size_t, size_t) = nullptr;
  void* (*realloc)(void*, size_t) = nullptr;
  void (*free)(void*) = nullptr;
  int (*posix_memalign)(void**, size_t, size_t) = nullptr;
};

// dlsym itself allocates a little before the real allocator is known: it gets pieces of this, never given back.
alignas(16) char early[64 * 1024];
std::atomic<size_t> early_used{0};

void* early_malloc(size_t size) noexcept {
  const size_t at = early_used.fetch_add((size + 15) / 16 * 16);
  return at + size <= sizeof early ? early + at : nullptr;
}
bool is_early(const void* pointer) noexcept { return pointer >= early && pointer < early + sizeof early; }

template <class Function>
void find(Function*& function, const char* name) noexcept {
  function = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

const Allocator* next() noexcept {
  static Allocator found;
  static std::atomic<int> state{0};  // 0 nothing, 1 somebody looks, 2 found
  if (state.load(std::memory_order_acquire) == 2) return &found;
  int nothing = 0;
  if (!state.compare_exchange_strong(nothing, 1)) return nullptr;  // from within dlsym
  find(found.malloc, "malloc");
  find(found.calloc, "calloc");
  find(found.realloc, "realloc");
  find(found.free, "free");
  find(found.posix_memalign, "posix_memalign");
  state.store(2, std::memory_order_release);
  return &found;
}

void count_allocation() noexcept {
  counts.load(std::memory_order_relaxed)->allocations.fetch_add(1, std::memory_order_relaxed);
}
void count_release() noexcept {
  counts.load(std::memory_order_relaxed)->releases.fetch_add(1, std::memory_order_relaxed);
}

void* allocate_aligned(size_t alignment, size_t size) noexcept {
  count_allocation();
  void* pointer = nullptr;
  if (alignment < sizeof(void*)) alignment = sizeof(void*);
  const Allocator* real = next();
  if (real == nullptr) return nullptr;
  const int error = real->posix_memalign(&pointer, alignment, size);
  if (error != 0) errno = error;
  return error == 0 ? pointer : nullptr;
}

void* or_throw(void* pointer) {
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}

__attribute__((constructor)) void share_counts() {
  const char* path = std::getenv("COUNT_ALLOC_FILE");
  if (path == nullptr) return;
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(Counts)) != 0) return;
  void* shared = mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  // Children of the program share the file and add to the same numbers.
  if (shared != MAP_FAILED) counts.store(static_cast<Counts*>(shared), std::memory_order_relaxed);
}

}  // namespace

extern "C" {

void* malloc(size_t size) noexcept {
  count_allocation();
  const Allocator* real = next();
  return real == nullptr ? early_malloc(size) : real->malloc(size);
}

void* calloc(size_t count, size_t size) noexcept {
  count_allocation();
  const Allocator* real = next();
  return real == nullptr ? early_malloc(count * size) : real->calloc(count, size);  // early memory is zero
}

void* realloc(void* pointer, size_t size) noexcept {
  if (is_early(pointer)) {
    void* moved = malloc(size);
    const auto rest = static_cast<size_t>(early + sizeof early - static_cast<char*>(pointer));
    if (moved != nullptr) std::memcpy(moved, pointer, size < rest ? size : rest);
    return moved;
  }
  count_allocation();
  const Allocator* real = next();
  return real == nullptr ? early_malloc(size) : real->realloc(pointer, size);
}

void free(void* pointer) noexcept {
  if (pointer == nullptr || is_early(pointer)) return;
  count_release();
  if (const Allocator* real = next()) real->free(pointer);
}

int posix_memalign(void** pointer, size_t alignment, size_t size) noexcept {
  *pointer = allocate_aligned(alignment, size);
  return *pointer == nullptr ? ENOMEM : 0;
}
void* aligned_alloc(size_t alignment, size_t size) noexcept { return allocate_aligned(alignment, size); }
void* memalign(size_t alignment, size_t size) noexcept { return allocate_aligned(alignment, size); }

}  // extern "C"

// An allocator that replaces operator new as well would otherwise be asked directly.
void* operator new(size_t size) { return or_throw(malloc(size)); }
void* operator new[](size_t size) { return or_throw(malloc(size)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return malloc(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return malloc(size); }
void* operator new(size_t size, std::align_val_t alignment) {
  return or_throw(allocate_aligned(size_t(alignment), size));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return or_throw(allocate_aligned(size_t(alignment), size));
}
void operator delete(void* pointer) noexcept { free(pointer); }
void operator delete[](void* pointer) noexcept { free(pointer); }
void operator delete(void* pointer, size_t) noexcept { free(pointer); }
void operator delete[](void* pointer, size_t) noexcept { free(pointer); }
void operator delete(void* pointer, std::align_val_t) noexcept { free(pointer); }
void operator delete[](void* pointer, std::align_val_t) noexcept { free(pointer); }
void operator delete(void* pointer, size_t, std::align_val_t) noexcept { free(pointer); }
void operator delete[](void* pointer, size_t, std::align_val_t) noexcept { free(pointer); }
