#include "failing_allocations.h"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace ringmaster::failing_allocations {

namespace {

thread_local bool armed = false;
thread_local int suspensions = 0;
thread_local uint64_t interval = 0;
thread_local uint64_t count = 0;
uint64_t failures = 0;  // only the one thread that arms writes it

bool fails() noexcept {
  if (!armed || suspensions > 0 || interval == 0 || ++count % interval != 0) return false;
  ++failures;
  return true;
}

void* take_or_null(size_t size, size_t alignment) noexcept {
  if (fails()) return nullptr;
  const size_t rounded = (size + alignment - 1) / alignment * alignment;
  return alignment <= alignof(std::max_align_t) ? std::malloc(size) : std::aligned_alloc(alignment, rounded);
}

void* take(size_t size, size_t alignment) {
  void* memory = take_or_null(size > 0 ? size : 1, alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

void every(uint64_t n) noexcept {
  interval = n;
  count = 0;
}
void begin() noexcept { armed = true; }
void end() noexcept { armed = false; }
uint64_t failed() noexcept { return failures; }
Suspension::Suspension() noexcept { ++suspensions; }
Suspension::~Suspension() { --suspensions; }

}  // namespace ringmaster::failing_allocations

// The other forms of new call these (C++23, [new.delete]); those without exceptions do not in the address sanitizer,
// which brings its own.
void* operator new(size_t size) { return ringmaster::failing_allocations::take(size, 1); }
void* operator new(size_t size, std::align_val_t alignment) {
  return ringmaster::failing_allocations::take(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return ringmaster::failing_allocations::take_or_null(size, 1);
}
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return ringmaster::failing_allocations::take_or_null(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
