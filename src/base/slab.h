// A growing array of T whose items never move, addressed by a small index, with a generation for each.
//
// A completion names its connection by index and generation: when the item has been given back in the meantime, the
// generation no longer agrees and get() says so. Free items are taken last in, first out, while their memory is
// still in the cache. Memory comes in chunks and is kept; owned by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/error.h"

namespace ringmaster {

template <class T, uint32_t chunk_items = 64>
class Slab {
 public:
  static constexpr uint32_t generation_mask = 0xFFFFFF;

  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    for (uint32_t i = 0; i < size_; ++i) {
      if (cell(i).live) item(cell(i))->~T();
    }
  }

  // T is constructed as T(index, generation, arguments…). Allocates only when every item is in use; nullptr where there
  // is no memory, and then the arguments are as they were.
  template <class... Arguments>
  T* make(Arguments&&... arguments) noexcept {
    if (free_ == none && !grow()) return nullptr;
    const uint32_t index = free_;
    Cell& c = cell(index);
    free_ = c.next_free;
    c.live = true;
    ++live_;
    return new (c.storage) T(index, c.generation, std::forward<Arguments>(arguments)...);
  }

  void free(uint32_t index) noexcept {
    Cell& c = cell(index);
    ensure(c.live);
    item(c)->~T();
    c.live = false;
    c.generation = (c.generation + 1) & generation_mask;
    c.next_free = free_;
    free_ = index;
    --live_;
  }

  // nullptr where the item has been freed since.
  T* get(uint32_t index, uint32_t generation) noexcept {
    if (index >= size_) return nullptr;
    Cell& c = cell(index);
    return c.live && c.generation == generation ? item(c) : nullptr;
  }

  uint32_t live() const noexcept { return live_; }

  template <class Visit>
  void each(Visit visit) {
    for (uint32_t i = 0; i < size_; ++i) {
      if (cell(i).live) visit(*item(cell(i)));
    }
  }

 private:
  static constexpr uint32_t none = 0xFFFFFFFF;
  struct Cell {
    alignas(T) std::byte storage[sizeof(T)];
    uint32_t generation = 1;
    uint32_t next_free = none;
    bool live = false;
  };

  static T* item(Cell& c) noexcept { return std::launder(reinterpret_cast<T*>(c.storage)); }
  Cell& cell(uint32_t index) noexcept { return chunks_[index / chunk_items][index % chunk_items]; }

  bool grow() noexcept {
    std::unique_ptr<Cell[]> chunk(new (std::nothrow) Cell[chunk_items]);
    if (!chunk) return false;
    try {
      chunks_.push_back(std::move(chunk));
    } catch (const std::bad_alloc&) {
      return false;
    }
    for (uint32_t i = chunk_items; i-- > 0;) {
      cell(size_ + i).next_free = free_;
      free_ = size_ + i;
    }
    size_ += chunk_items;
    return true;
  }

  std::vector<std::unique_ptr<Cell[]>> chunks_;
  uint32_t size_ = 0;
  uint32_t live_ = 0;
  uint32_t free_ = none;
};

}  // namespace ringmaster
