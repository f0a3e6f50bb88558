// A doubly linked list whose links live in the items: no allocation, O(1) removal, no ownership.
//
//   struct Connection : Link<struct IdleTag> { … };
//   List<Connection, IdleTag> idle;
//
// An item is in at most one list for each tag. Not thread-safe: a list belongs to one worker.
#pragma once

#include <cstddef>

#include "base/error.h"

namespace ringmaster {

template <class Tag>
struct Link {
  Link* previous = nullptr;
  Link* next = nullptr;

  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  bool linked() const noexcept { return next != nullptr; }
  void unlink() noexcept {
    if (!linked()) return;
    previous->next = next;
    next->previous = previous;
    previous = next = nullptr;
  }
};

template <class T, class Tag>
class List {
 public:
  using Node = Link<Tag>;

  List() noexcept { head_.previous = head_.next = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const noexcept { return head_.next == &head_; }
  T* front() noexcept { return empty() ? nullptr : static_cast<T*>(head_.next); }
  T* back() noexcept { return empty() ? nullptr : static_cast<T*>(head_.previous); }
  void push_front(T& item) noexcept { insert(*head_.next, item); }
  void push_back(T& item) noexcept { insert(head_, item); }
  void insert_before(T& present, T& item) noexcept { insert(present, item); }

  // The item after this one, or nullptr; read it before the item is unlinked.
  T* after(T& item) noexcept {
    Node* next = static_cast<Node&>(item).next;
    return next == &head_ ? nullptr : static_cast<T*>(next);
  }
  T* pop_front() noexcept {
    T* item = front();
    if (item) static_cast<Node*>(item)->unlink();
    return item;
  }

 private:
  static void insert(Node& before, T& item) noexcept {
    Node& node = item;
    ensure(!node.linked());
    node.previous = before.previous;
    node.next = &before;
    before.previous->next = &node;
    before.previous = &node;
  }
  Node head_;
};

}  // namespace ringmaster
