// Vectors of plain numbers whose resize() leaves new elements as the memory was. For what is written whole at once:
// writing zeros before that costs as much again, and a table has hundreds of kilobytes.
#pragma once

#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace ringmaster {

template <class T>
struct UnwrittenAllocator : std::allocator<T> {
  static_assert(std::is_arithmetic_v<T>);
  template <class U>
  struct rebind {
    using other = UnwrittenAllocator<U>;
  };
  template <class U>
  void construct(U* place) noexcept {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Arguments>
  void construct(U* place, Arguments&&... arguments) noexcept {
    ::new (static_cast<void*>(place)) U(std::forward<Arguments>(arguments)...);
  }
};

template <class T>
using UnwrittenVector = std::vector<T, UnwrittenAllocator<T>>;

}  // namespace ringmaster
