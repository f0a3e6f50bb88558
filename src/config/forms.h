// What a piece of text may be: the forms that settings take. Pure predicates, by the grammars of the parts that read
// the text later (the tests hold them against those).
#pragma once

#include <string_view>

namespace ringmaster::config {

bool is_listen_address(std::string_view text);    // "127.0.0.1:5000", "[::]:5000", "unix:/path", "fd:3" (from 3 on)
bool is_admin_address(std::string_view text);     // the same without fd
bool is_replica_address(std::string_view text);   // the same, with a port above 0
bool is_network(std::string_view text);           // "10.0.0.0/8", "fd00::/8"; without a length: one address
bool is_dns_label(std::string_view text);         // RFC 1123 2.1: letters, digits, inner '-'; 1..63
bool is_replica_name(std::string_view text);      // is_docker_name() of at most 63
bool is_key_source(std::string_view text);        // "query:NAME", …: http/key.h
bool is_request_path(std::string_view text);      // origin-form, visible ASCII, no fragment
bool is_argument(std::string_view text);          // not empty
bool is_assignment(std::string_view text);        // "NAME=VALUE" with a visible NAME; VALUE may be empty
bool is_image(std::string_view text);             // an image's reference: visible ASCII, no white space; not empty
bool is_docker_name(std::string_view text);       // of a container or network: [a-zA-Z0-9][a-zA-Z0-9_.-]*
bool is_cookie_name_or_empty(std::string_view text);   // a token (RFC 6265 4.1.1)
bool is_path_or_empty(std::string_view text);     // anything: judge_item() has refused control characters

}  // namespace ringmaster::config
