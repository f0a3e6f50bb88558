// One request and its answer: the client's connection on one side, a replica's on the other.
//
//   begin       the head has been read: check, route, rebuild it for the replica
//   wait        where the replica has no room, or has to come back (waiting_room.h)
//   request     connect if need be, send, stream the body; when the replica fails and it is safe, once more elsewhere
//   answer      the replica's head has been read: check, rebuild it for the client, stream the body
//   finish      give the replica's connection back, tell the client's that the next request may come
//
// Bodies go piece by piece through the buffer that the kernel wrote them to: receive, rewrite in place, send, receive
// the next. One piece for each direction is on its way at a time, so a reader that stops stops the writer.
//
// An attempt has failed, or the client has gone: the replica's connection is terminated first; what comes next (another
// attempt, an answer of our own, the end) waits until nothing of it is in flight, because the kernel may still be
// reading the request's bytes. So an exchange outlives every operation on its bytes.
//
// Waiting for an answer ends with timeouts.response; before, where the replica leaves its heartbeats unanswered and the
// request may be given to another (RouteTable::silent).
//
// A request may be given to a second replica while nothing of the answer has been sent, all of what was sent is still
// at hand, and either its method is idempotent (RFC 9110 section 9.2.2) or no byte of it reached the first replica.
#pragma once

#include <array>
#include <cstdint>

#include "http/body.h"
#include "http/head.h"
#include "http/refusal.h"
#include "proxy/head_assembly.h"
#include "proxy/parts.h"
#include "proxy/router.h"
#include "proxy/waiting_room.h"

namespace ringmaster::proxy {

class Exchange : public Waiter {
 public:
  Exchange(uint32_t index, uint32_t generation, Parts& parts, Connection& client) noexcept;
  ~Exchange();

  // --- the client's connection calls
  // The client stream's front piece, if there is one, begins with what follows the head. Takes from it what belongs to
  // the request. The head's spans are not needed after the call.
  void begin(const http::RequestHead& head) noexcept;
  // The head could not be read: answers by itself, and the connection ends. `bytes`: what has come of it, not needed
  // after the call.
  void refuse_head(http::Cause cause, std::string_view bytes) noexcept;
  void on_client_bytes() noexcept;
  void on_client_end() noexcept;
  void on_client_sent(Sent sent) noexcept;
  void on_client_gone() noexcept;      // reset, or unusable: nothing can be told to it any more
  void on_client_timeout() noexcept;
  void cut() noexcept { leave(); }     // the worker ends

  // --- the replica's connection calls
  void on_upstream_connected() noexcept;
  void on_upstream_bytes() noexcept;
  void on_upstream_end() noexcept;
  void on_upstream_sent(Sent sent) noexcept;
  void on_upstream_failed(http::Cause cause) noexcept;
  void on_upstream_timeout() noexcept;
  // The replica leaves its heartbeats unanswered. true: its time for this request is over, if nothing comes now.
  bool may_leave_silent() noexcept;
  // It is closed and gone. `handed_over`: at least a byte of what was sent on it last has reached the kernel.
  void on_upstream_joined(bool handed_over) noexcept;

  // --- the router calls, while it waits; it is in no room any more
  void on_room(UpstreamPool& pool) noexcept;
  // What it waited for has changed. `anew`: the owner that failed it may be asked again.
  void place_again(bool anew) noexcept {
    if (anew) tried_ = {};
    attempt();
  }
  void on_waited_in_vain(http::Cause cause) noexcept;

  uint32_t index() const noexcept { return index_; }

 private:
  enum class Stage : uint8_t {
    requesting,   // looking for a replica, connecting, sending, waiting for its answer
    waiting,      // for room at a replica, or for its return
    answering,    // the answer's head has been sent on
    replying,     // an answer of our own is being sent
    tunnelling,   // 101: bytes both ways
    failed,       // the replica's connection is ending; then after_
    leaving,      // the client has gone: end as soon as nothing is in flight
  };
  enum class After : uint8_t { retry, reply, not_found };  // retry: or reply, where it may not

  // request
  http::Cause prepare_request(const http::RequestHead& head) noexcept;
  void attempt() noexcept;
  void attempt_at(UpstreamPool& pool) noexcept;
  Ask ask() const noexcept { return {.route = route_, .tried = tried_, .fresh = fresh_}; }
  void send_request() noexcept;
  void pump_request() noexcept;
  void refuse(http::Cause cause) noexcept;
  void turn_away(http::Cause cause) noexcept;
  void answer_as_last_recipient() noexcept;
  // failure
  bool waits_for_body() const noexcept;
  void wait_for_replica() noexcept;     // from now on, for as long as the stage allows
  void give_up_on_replica() noexcept;   // it stands still
  bool repeatable() const noexcept;
  bool may_retry() noexcept;   // and if so, it is counted
  void attempt_failed(http::Cause cause) noexcept;
  void end_attempt(After after) noexcept;
  void go_on() noexcept;
  // answer
  void read_answer_head() noexcept;
  http::HeadStatus parse_answer_head(http::ResponseHead& head, http::Cause& cause) noexcept;   // cause: of refused
  bool on_interim(const http::ResponseHead& head) noexcept;
  void start_answer(const http::ResponseHead& head) noexcept;
  std::string_view client_of(const http::RequestHead& head) noexcept;   // for the key client_ip
  std::string_view own_fields() noexcept;
  void translate_not_found(const http::ResponseHead& head) noexcept;
  std::string_view path_asked_for() noexcept;
  void pump_answer() noexcept;
  void end_of_answer() noexcept;
  void answer_read() noexcept;
  void cut_answer() noexcept;
  struct Message {  // read as one
    std::string_view before, text, behind;
  };
  void reply(uint16_t status, std::string_view cause, const Message& message) noexcept;
  void finish() noexcept;
  // accounts
  void note_answer(uint16_t status, uint32_t head_bytes) noexcept;   // it is about to be sent
  void note_refusal(http::Cause cause) noexcept;
  // both sides
  // The next receive for a body: large buffers once it has shown that it is long.
  Want want_for(const Stream& from, const http::BodyTransfer& body) const noexcept;
  void start_tunnel(const http::ResponseHead& head) noexcept;
  void pump_tunnel() noexcept;
  bool pump_one_way(Stream& from, Stream& to, bool& closed) noexcept;
  void send_to_client(uring::Lease lease, std::span<const char> bytes) noexcept;
  void watch_client() noexcept;
  void leave() noexcept;
  bool client_may_stay() const noexcept;
  bool all_read_of_client() const noexcept;
  bool may_be_kept(bool replica_agrees) const noexcept;

  Parts& parts_;
  Connection& client_;
  UpstreamConnection* upstream_ = nullptr;
  AccessRecord* access_ = nullptr;      // nullptr: no line is wanted, or there is no memory for it
  UpstreamPool* api_ = nullptr;         // drop-in mode: the admin's listener instead of a replica
  const uint32_t index_;
  Stage stage_ = Stage::requesting;
  After after_ = After::reply;
  http::Cause cause_ = http::Cause::none;

  // the request
  http::BodyTransfer request_body_;
  uring::Lease request_lease_;
  const char* request_begin_ = nullptr;   // head and the first part of the body, as they go to the replica
  uint32_t request_size_ = 0;
  llhttp_method_t method_ = HTTP_GET;
  uint8_t client_minor_ = 1;
  uint8_t interim_answers_ = 0;
  uint8_t attempts_ = 0;
  uint8_t stale_attempts_ = 0;  // of these: on a kept connection that the replica had closed
  bool head_request_ = false;
  bool client_keep_alive_ = true;
  bool last_request_ = false;   // the client has said that it sends no other
  bool idempotent_ = false;
  bool upgrade_ = false;
  bool expect_continue_ = false;
  bool replayable_ = true;      // what has been sent is all in [request_begin_, + request_size_)
  bool handed_over_ = false;    // a byte of it has reached a replica
  bool request_sent_ = false;   // this attempt: the first part has left
  bool send_failed_ = false;    // this attempt: the replica takes no more; its answer may still be on the way
  bool fresh_ = false;          // the next attempt opens a new connection
  bool retry_paid_ = false;     // the budget has been asked for the next attempt already
  balance::Verdict verdict_ = balance::Verdict::nobody;   // of this attempt
  uint64_t epoch_ = 0;          // of the table that it was made by
  Route route_;
  Tried tried_;
  uint64_t sent_ns_ = 0;

  // the answer
  http::BodyTransfer answer_body_;
  http::HeadParser answer_parser_;
  std::unique_ptr<HeadAssembly> answer_assembly_;
  bool answer_began_ = false;   // bytes of an answer have come from the replica
  bool answered_ = false;       // bytes of an answer have gone to the client
  bool answer_keep_alive_ = true;
  bool upstream_keep_alive_ = true;
  bool last_send_ = false;      // what is being sent to the client ends the answer
  bool upstream_failed_ = false;          // no more of the answer will come, and that was no proper end
  http::Framing answer_framing_ = http::Framing::none;  // towards the client
  std::string_view last_bytes_;           // static: what ends a chunked answer, still to be sent
  bool closed_to_client_ = false;         // tunnel: that direction's end has been passed on
  bool closed_to_upstream_ = false;

  std::array<char, 2048> inline_;  // the request, where it fits
};

}  // namespace ringmaster::proxy
