// Why a message is refused: one table of causes. Each has the status that the client sees, a name for the metrics and
// the log, and a sentence for the reply's JSON body.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringmaster::http {

// X(name, status, text). Requests first (the client's fault or wish), then responses (the replica's fault), then
// what the proxy itself has to say.
#define RINGMASTER_CAUSES(X)                                                                                         \
  X(request_malformed, 400, "The request is not well-formed HTTP/1.1")                                              \
  X(request_line_malformed, 400, "The request line is not well-formed")                                             \
  X(field_malformed, 400, "A header field is not well-formed")                                                      \
  X(framing_conflict, 400, "The request has both Content-Length and Transfer-Encoding")                             \
  X(content_length_invalid, 400, "The Content-Length is not one decimal number")                                    \
  X(transfer_encoding_invalid, 400, "The Transfer-Encoding is not exactly: chunked")                                \
  X(transfer_encoding_unknown, 501, "A transfer coding other than chunked is not implemented")                      \
  X(transfer_encoding_in_http10, 400, "HTTP/1.0 has no Transfer-Encoding")                                          \
  X(chunk_malformed, 400, "The chunked body is not well-formed")                                                    \
  X(chunk_overhead, 400, "The chunked body has too many or too long extensions or trailers")                        \
  X(host_missing, 400, "The request has no Host field")                                                             \
  X(host_repeated, 400, "The request has more than one Host field")                                                 \
  X(host_invalid, 400, "The Host field is not a host with an optional port")                                        \
  X(host_mismatch, 400, "The Host field differs from the authority of the request target")                          \
  X(target_invalid, 400, "The request target is not valid")                                                         \
  X(connection_names_protected_field, 400, "The Connection field names a field that must not be removed")           \
  X(field_name_ambiguous, 400,                                                                                       \
    "A field's name equals a framing or forwarding field once its underscores are read as hyphens")                  \
  X(upgrade_with_body, 400, "An upgrade request must not have a body")                                              \
  X(method_not_implemented, 501, "The method is not implemented")                                                   \
  X(connect_not_allowed, 405, "This is a gateway: CONNECT is not allowed")                                          \
  X(version_not_supported, 505, "Only HTTP/1.0 and HTTP/1.1 are supported here")                                    \
  X(request_line_too_long, 414, "The request line is longer than the limit")                                        \
  X(fields_too_large, 431, "The header fields are larger than the limit")                                           \
  X(too_many_fields, 431, "There are more header fields than the limit")                                            \
  X(body_too_large, 413, "The body is larger than the limit")                                                       \
  X(expectation_failed, 417, "The only expectation that can be met is 100-continue")                                \
  X(request_timeout, 408, "The request did not arrive in time")                                                     \
  X(response_malformed, 502, "The replica's answer is not well-formed HTTP/1.1")                                    \
  X(response_framing, 502, "The replica's answer has an ambiguous length")                                          \
  X(response_version, 502, "The replica's answer is not HTTP/1.0 or HTTP/1.1")                                      \
  X(response_status, 502, "The replica's answer has a status outside 100 to 599")                                   \
  X(response_too_large, 502, "The head of the replica's answer is larger than the limit")                           \
  X(response_unasked_upgrade, 502, "The replica switched protocols without being asked")                            \
  X(response_too_many_interim, 502, "The replica sent too many interim answers")                                    \
  X(response_truncated, 502, "The replica ended its answer early")                                                  \
  X(replica_refused, 502, "The replica refused the connection")                                                     \
  X(replica_reset, 502, "The replica closed the connection before it answered")                                     \
  X(replica_connect_timeout, 504, "The replica did not accept the connection in time")                              \
  X(replica_response_timeout, 504, "The replica did not answer in time")                                            \
  X(no_replica, 503, "No replica is ready")                                                                         \
  X(replica_full, 503, "The replica has as many connections as it may have")                                        \
  X(queue_timeout, 503, "The replica had no room for the request in time")                                          \
  X(owner_gone, 503, "The replica that serves this key did not come back in time")                                  \
  X(overloaded, 503, "The proxy has as much work as it may have")                                                   \
  X(internal_error, 500, "The proxy failed")

enum class Cause : uint8_t {
  none,
#define X(name, status, text) name,
  RINGMASTER_CAUSES(X)
#undef X
};
inline constexpr int causes = 0
#define X(name, status, text) +1
    RINGMASTER_CAUSES(X)
#undef X
    + 1;

uint16_t status_of(Cause cause) noexcept;            // 0 for none
std::string_view name_of(Cause cause) noexcept;      // "framing_conflict"; "none"
std::string_view text_of(Cause cause) noexcept;

}  // namespace ringmaster::http
