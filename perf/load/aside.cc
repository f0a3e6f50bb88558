#include "aside.h"

namespace ringmaster::perf {

namespace {

Order make_order(const AsidePlan& plan, const std::string& body) {
  Order order;
  order.head = plan.method + " " + plan.path + " HTTP/1.1\r\nHost: " + plan.target.text() +
               "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\nX-Id: ";
  order.id_offset = order.head.size();
  order.head += std::string(id_digits, '0') + "\r\n\r\n" + body;
  order.any_answer = true;
  return order;
}

}  // namespace

Aside::Aside(EventLoop& loop, const AsidePlan& plan, uint64_t begin_ns, uint64_t end_ns)
    : target_(plan.target), connection_(loop, target_), interval_ns_(1e9 / plan.rate), begin_ns_(begin_ns),
      end_ns_(end_ns), due_ns_(begin_ns) {
  for (const std::string& body : plan.bodies) orders_.push_back(make_order(plan, body));
}

void Aside::pump(uint64_t now_ns) {
  if (!may_ask() || now_ns < due_ns_) return;
  const Order& order = orders_[asked_ % orders_.size()];
  const uint64_t due_ns = due_ns_;
  ++asked_;
  due_ns_ = begin_ns_ + static_cast<uint64_t>(static_cast<double>(asked_) * interval_ns_);
  connection_.begin(*this, order, asked_, due_ns);
}

uint64_t Aside::next_ns() const noexcept { return may_ask() ? due_ns_ : UINT64_MAX; }

void Aside::answered(ClientConnection&, uint64_t, uint64_t) { ++answers_; }

void Aside::ended(ClientConnection&, bool) {}

void Aside::failed(ClientConnection&, Failure failure, std::string_view detail) {
  trouble_ = std::string(failure_names[static_cast<size_t>(failure)]) + ": " + std::string(detail);
}

}  // namespace ringmaster::perf
