#include "proxy/control.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/error.h"

namespace ringmaster::proxy {

namespace {

Fd make_event() {
  Fd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) {
    throw StartError(ExitCode::configuration,
                     "cannot make an eventfd: " + to_string(Error::from_errno(errno, "eventfd")),
                     "raise the limit of open files (ulimit -n)");
  }
  return event;
}

void signal(const Fd& event) noexcept {
  const uint64_t one = 1;
  // It fails only when the counter is full, and then the reader is being woken already.
  [[maybe_unused]] const ssize_t written = ::write(event.get(), &one, sizeof one);
}

}  // namespace

bool Mailbox::post(const Trouble& trouble) noexcept {
  const uint32_t tail = tail_.load(std::memory_order_relaxed);
  if (tail - head_.load(std::memory_order_acquire) == size) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  items_[tail % size] = trouble;
  tail_.store(tail + 1, std::memory_order_release);
  return true;
}

bool Mailbox::take(Trouble& trouble) noexcept {
  const uint32_t head = head_.load(std::memory_order_relaxed);
  if (head == tail_.load(std::memory_order_acquire)) return false;
  trouble = items_[head % size];
  head_.store(head + 1, std::memory_order_release);
  return true;
}

Control::Control(uint32_t workers, Phase phase)
    : workers_(workers), doors_(new Door[workers]), phase_(phase), admin_event_(make_event()) {
  ensure(workers > 0 && workers <= workers_max);
  for (uint32_t i = 0; i < workers_; ++i) doors_[i].event = make_event();
}

Control::~Control() { delete table_.load(); }

uint64_t Control::publish(std::unique_ptr<RouteTable> table) {
  const uint64_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
  table->epoch = epoch;
  ensure(table->upstreams.size() == table->table.members().size());
  const RouteTable* const old = table_.exchange(table.release(), std::memory_order_seq_cst);
  epoch_.store(epoch, std::memory_order_seq_cst);
  for (uint32_t i = 0; i < workers_; ++i) {
    // A worker in its loop may still read the old table until it has finished this loop.
    for (int spins = 0;; ++spins) {
      const uint64_t seen = doors_[i].seen.load(std::memory_order_seq_cst);
      if (seen == 0 || seen >= epoch) break;
      if (spins < 64) std::this_thread::yield();
      else std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    signal(doors_[i].event);  // a sleeping one should let go of the replicas that have left
  }
  // Nobody else has it now. Moved, so that whoever should read it all the same reads freed memory, and is found.
  if (old) previous_ = std::make_unique<const RouteTable>(std::move(*const_cast<RouteTable*>(old)));
  delete old;
  return epoch;
}

void Control::set_phase(Phase phase) noexcept {
  phase_.store(phase, std::memory_order_release);
  for (uint32_t i = 0; i < workers_; ++i) signal(doors_[i].event);
}

bool Control::released(const Upstream& upstream) const noexcept {
  for (const UpstreamMeters& meters : upstream.meters) {
    if (meters.connections.value() != 0) return false;
  }
  return true;
}

uint64_t Control::troubles_dropped() const noexcept {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < workers_; ++i) sum += doors_[i].mailbox.dropped();
  return sum;
}

const RouteTable* Control::begin_loop(uint32_t worker) noexcept {
  // Sequentially consistent both: the store must be seen before the table is read (publish does it the other way
  // round), or both sides could miss each other. One locked instruction for each loop, not for each request.
  doors_[worker].seen.store(epoch_.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
  return table_.load(std::memory_order_seq_cst);
}

void Control::end_loop(uint32_t worker) noexcept { doors_[worker].seen.store(0, std::memory_order_release); }

void Control::report(uint32_t worker, const Trouble& trouble) noexcept {
  if (doors_[worker].mailbox.post(trouble)) wake_admin();
}

void Control::worker_ended(uint32_t worker) noexcept {
  end_loop(worker);
  ended_.fetch_add(1, std::memory_order_release);
  wake_admin();
}

void Control::wake_admin() noexcept { signal(admin_event_); }

}  // namespace ringmaster::proxy
