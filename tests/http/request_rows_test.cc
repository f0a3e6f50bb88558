// Rows R1 to R31 of the acceptance table, in several spellings, each in every arrival.
#include <gtest/gtest.h>

#include "every_way.h"

namespace ringmaster::http {
namespace {

using namespace std::string_view_literals;

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

const Spelling spellings[] = {
    // Length and transfer coding.
    {"R1", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"sv, Cause::framing_conflict},
    {"R1", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"sv, Cause::framing_conflict},
    {"R1", POST "transfer-encoding:CHUNKED\r\ncontent-LENGTH:0\r\n\r\n"sv, Cause::framing_conflict},
    {"R1", POST "Content-Length: 5\r\nX: y\r\nTransfer-Encoding: identity\r\n\r\n"sv, Cause::framing_conflict},
    {"R1", "GET / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"sv, Cause::framing_conflict},
    {"R2", POST "Transfer-Encoding: xchunked\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: chunked, identity\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: \"chunked\"\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: chunked;a=b\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: \vchunked\r\n\r\n"sv, Cause::field_malformed},
    {"R2", POST "Transfer-Encoding: chunked\f\r\n\r\n"sv, Cause::field_malformed},
    {"R2", POST "Transfer-Encoding: chunked\t\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding:\tchunked\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: chunked, chunked\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: ,chunked\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: chunked,\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: chunked gzip\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: identity\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: \xFF" "chunked\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding\r\n : chunked\r\n\r\n"sv, Cause::field_malformed},
    {"R2", POST "Transfer-Encoding: chunk\x84"  "d\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R3", POST "Transfer-Encoding: gzip, chunked\r\n\r\n"sv, Cause::transfer_encoding_unknown},
    {"R3", POST "Transfer-Encoding: identity,chunked\r\n\r\n"sv, Cause::transfer_encoding_unknown},
    {"R3", POST "Transfer-Encoding: GZIP ,  Chunked\r\n\r\n"sv, Cause::transfer_encoding_unknown},
    {"R3", POST "Transfer-Encoding: gzip,\tchunked\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R4", POST "Transfer-Encoding:\r\nContent-Length: 5\r\n\r\n"sv, Cause::framing_conflict},
    {"R4", POST "Transfer-Encoding:\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R4", POST "Transfer-Encoding: \r\nTransfer-Encoding: chunked\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R4", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R4", POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R4", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"sv, Cause::transfer_encoding_invalid},
    {"R5", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"sv, Cause::content_length_invalid},
    {"R5", POST "Content-Length: 5, 5\r\n\r\n"sv, Cause::content_length_invalid},
    {"R5", POST "Content-Length: 5,5\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: 5\r\nCONTENT-LENGTH: 6\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: +5\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: -1\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: 5 5\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: 0x5\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: 5.0\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: \xEF\xBC\x95\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: five\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length:\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length:   \r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length:\t5\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: 5\t\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: 9223372036854775807\r\n\r\n"sv, Cause::none},
    {"R6", POST "Content-Length: 9223372036854775808\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: 18446744073709551615\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: 18446744073709551616\r\n\r\n"sv, Cause::content_length_invalid},
    {"R6", POST "Content-Length: 99999999999999999999999999999999\r\n\r\n"sv, Cause::content_length_invalid},
    {"R7", POST "Content-Length: 0005\r\n\r\n"sv, Cause::none},
    {"R8", GET "Content-Length: 5\r\n\r\n"sv, Cause::none},
    {"R8", "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"sv, Cause::none},
    {"R8", "OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length:5 \r\n\r\n"sv, Cause::none},

    // Line ends, white space, bytes.
    {"R10", "GET / HTTP/1.1\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R10", "GET / HTTP/1.1\r\nHost: a\n\r\n"sv, Cause::field_malformed},
    {"R10", "GET / HTTP/1.1\r\nHost: a\r\n\n"sv, Cause::field_malformed},
    {"R10", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"sv, Cause::field_malformed},
    {"R10", "GET / HTTP/1.1\n\n"sv, Cause::request_line_malformed},
    {"R10", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R10", "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R10", "\r\n" GET "\r\n"sv, Cause::none},
    {"R10", "\r\n\r\n" GET "\r\n"sv, Cause::request_line_malformed},
    {"R10", "\r" GET "\r\n"sv, Cause::request_malformed},
    {"R10", "\r\r\n" GET "\r\n"sv, Cause::request_malformed},
    {"R11", "GET / HTTP/1.1\rHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R11", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R11", GET "X: a\rb\r\n\r\n"sv, Cause::field_malformed},
    {"R11", GET "X: a\r\r\n\r\n"sv, Cause::field_malformed},
    {"R11", GET "\rX: a\r\n\r\n"sv, Cause::field_malformed},
    {"R11", GET "\r\r\n"sv, Cause::field_malformed},
    {"R11", GET "X\r: a\r\n\r\n"sv, Cause::field_malformed},
    {"R12", GET "X: a\r\n b\r\n\r\n"sv, Cause::field_malformed},
    {"R12", GET "X: a\r\n\tb\r\n\r\n"sv, Cause::field_malformed},
    {"R12", GET "X:\r\n a\r\n\r\n"sv, Cause::field_malformed},
    {"R12", GET "X: a\r\n \r\n\r\n"sv, Cause::field_malformed},
    {"R13", GET "X : a\r\n\r\n"sv, Cause::field_malformed},
    {"R13", GET "X\t: a\r\n\r\n"sv, Cause::field_malformed},
    {"R13", POST "Content-Length : 5\r\n\r\n"sv, Cause::field_malformed},
    {"R13", POST "Transfer-Encoding : chunked\r\n\r\n"sv, Cause::field_malformed},
    {"R14", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"sv, Cause::field_malformed},
    {"R14", "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n"sv, Cause::field_malformed},
    {"R14", "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n"sv, Cause::field_malformed},
    {"R14", GET "no colon\r\n\r\n"sv, Cause::field_malformed},
    {"R14", GET "nocolon\r\n\r\n"sv, Cause::field_malformed},
    {"R14", GET ": empty name\r\n\r\n"sv, Cause::field_malformed},
    {"R14", GET ":\r\n\r\n"sv, Cause::field_malformed},
    {"R15", GET "X: a\0b\r\n\r\n"sv, Cause::field_malformed},
    {"R15", GET "X: \x01\r\n\r\n"sv, Cause::field_malformed},
    {"R15", GET "X: a\x1F" "b\r\n\r\n"sv, Cause::field_malformed},
    {"R15", GET "X: a\x7F\r\n\r\n"sv, Cause::field_malformed},
    {"R15", GET "X: a\bc, and more than eight bytes behind\r\n\r\n"sv, Cause::field_malformed},
    {"R15", GET "X: a\tb \x80\xFF\r\n\r\n"sv, Cause::none},
    {"R15", GET "X:\r\nY: \r\n\r\n"sv, Cause::none},
    {"R16", GET "X(y: a\r\n\r\n"sv, Cause::field_malformed},
    {"R16", GET "X@: a\r\n\r\n"sv, Cause::field_malformed},
    {"R16", GET "X\0: a\r\n\r\n"sv, Cause::field_malformed},
    {"R16", GET "X\"y\": a\r\n\r\n"sv, Cause::field_malformed},
    {"R16", GET "X\xC3\xA4: a\r\n\r\n"sv, Cause::field_malformed},
    {"R16", GET "{X}: a\r\n\r\n"sv, Cause::field_malformed},
    {"R16", GET "!#$%&'*+-.^`|~09azAZ: a\r\n\r\n"sv, Cause::none},
    {"R17", POST "Transfer_Encoding: chunked\r\n\r\n"sv, Cause::field_name_ambiguous},
    {"R17", POST "content_length: 5\r\n\r\n"sv, Cause::field_name_ambiguous},
    {"R17", GET "X_Forwarded_For: 1.2.3.4\r\n\r\n"sv, Cause::field_name_ambiguous},
    {"R17", GET "X-Forwarded_Proto: https\r\n\r\n"sv, Cause::field_name_ambiguous},
    {"R17", GET "x_forwarded_anything: 1\r\n\r\n"sv, Cause::field_name_ambiguous},
    {"R17", GET "X_Other: 1\r\n\r\n"sv, Cause::none},

    // Target and Host.
    {"R22", "GET http://a/p HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::none},
    {"R22", "GET http://a/p HTTP/1.1\r\nHost: b\r\n\r\n"sv, Cause::host_mismatch},
    {"R22", "GET http://a:80/ HTTP/1.1\r\nHost: A\r\n\r\n"sv, Cause::none},
    {"R22", "GET https://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n"sv, Cause::none},
    {"R22", "GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n"sv, Cause::host_mismatch},
    {"R22", "GET http://a:8080/ HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::host_mismatch},
    {"R22", "GET HTTP://a?q HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::none},
    {"R22", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R22", "GET http:///p HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R22", "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R22", "GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R22", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R22", "GET http://a/ HTTP/1.1\r\n\r\n"sv, Cause::host_missing},
    {"R22", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R23", "GET / HTTP/1.1\r\n\r\n"sv, Cause::host_missing},
    {"R23", "GET / HTTP/1.1\r\nX-Host: a\r\n\r\n"sv, Cause::host_missing},
    {"R23", GET "Host: a\r\n\r\n"sv, Cause::host_repeated},
    {"R23", GET "hOST: b\r\n\r\n"sv, Cause::host_repeated},
    {"R23", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"sv, Cause::host_repeated},
    {"R23", "GET / HTTP/1.1\r\nHost:\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost:  \r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: http://a\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: \"a\"\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: \xC3\xA4\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: [a]\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n"sv, Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: [0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]\r\n\r\n"sv,
     Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: [::ffff:1.2.3.4]:65535\r\n\r\n"sv, Cause::none},
    {"R23", "GET / HTTP/1.1\r\nhost:127.0.0.1:\r\n\r\n"sv, Cause::none},
    {"R23", "GET / HTTP/1.1\r\nHOST: \t a-b_c.d%2E:0080 \t\r\n\r\n"sv, Cause::none},
    {"R31", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::none},
    {"R31", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R31", "OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R31", "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R31", "GET # HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R31", "GET /\xC3\xA4 HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R31", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R31", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R31", "GET /\x7F HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R31", "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R31", "GET x HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R31", "GET \\ HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
    {"R31", "GET /../%00/%0d%0a/..\\\"<>{}|^`?a#"sv, Cause::target_invalid},
    {"R31", "GET /../%00/%0d%0a/./..\\\"<>{}|^`?[]@//?? HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::none},

    // Start line.
    {"R24", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"sv, Cause::version_not_supported},
    {"R24", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"sv, Cause::version_not_supported},
    {"R24", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"sv, Cause::version_not_supported},
    {"R24", "GET / HTTP/2\r\nHost: a\r\n\r\n"sv, Cause::version_not_supported},
    {"R24", "GET / HTTP/3.0\r\nHost: a\r\n\r\n"sv, Cause::version_not_supported},
    {"R24", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"sv, Cause::version_not_supported},
    {"R24", "GET / HTTP/11\r\nHost: a\r\n\r\n"sv, Cause::version_not_supported},
    {"R24", "GET / http/1.1\r\nHost: a\r\n\r\n"sv, Cause::version_not_supported},
    {"R24", "GET / Http/1.1\r\nHost: a\r\n\r\n"sv, Cause::version_not_supported},
    {"R24", "GET / RTSP/1.0\r\nHost: a\r\n\r\n"sv, Cause::version_not_supported},
    {"R24", "SOURCE / ICE/1.0\r\nHost: a\r\n\r\n"sv, Cause::version_not_supported},
    {"R24", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv, Cause::version_not_supported},
    {"R24", "PRI * HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::method_not_implemented},
    {"R24", "SOURCE / HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::method_not_implemented},
    {"R24", "DESCRIBE / HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::method_not_implemented},
    {"R24", "ANNOUNCE / HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::method_not_implemented},
    {"R24", "get / HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::method_not_implemented},
    {"R24", "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::method_not_implemented},
    {"R24", "GETT / HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::method_not_implemented},
    {"R24", "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::none},
    {"R24", "GET /\r\n"sv, Cause::request_line_malformed},
    {"R24", "GET / \r\n"sv, Cause::request_line_malformed},
    {"R24", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R24", "GET / HTTP/\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R24", "GET / HTTP/1.\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R24", "GET / HTTP/1.1x\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R24", "GET / HTTP 1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R24", "GET / /1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"R24", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"20", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"20", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"20", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"20", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"20", "GET\r\n"sv, Cause::request_line_malformed},
    {"20", "G\"T / HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::request_line_malformed},
    {"20", "\x16\x03\x01\x02"sv, Cause::request_line_malformed},
    {"20", "G\0ET / HTTP/1.1\r\n"sv, Cause::request_line_malformed},
    {"R25", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"sv, Cause::transfer_encoding_in_http10},
    {"R25", "POST / HTTP/1.0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"sv, Cause::transfer_encoding_in_http10},
    {"R30", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"sv, Cause::connect_not_allowed},
    {"R30", "CONNECT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"sv, Cause::connect_not_allowed},

    // Expect, Connection, Upgrade.
    {"R27", POST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"sv, Cause::none},
    {"R27", POST "EXPECT:100-Continue\r\nContent-Length: 5\r\n\r\n"sv, Cause::none},
    {"R27", POST "Expect: 100-continue, x\r\nContent-Length: 5\r\n\r\n"sv, Cause::expectation_failed},
    {"R27", POST "Expect: 200-ok\r\nContent-Length: 5\r\n\r\n"sv, Cause::expectation_failed},
    {"R27", POST "Expect:\r\nContent-Length: 5\r\n\r\n"sv, Cause::expectation_failed},
    {"R27", POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"sv, Cause::expectation_failed},
    {"R27", GET "Expect: x\r\n\r\n"sv, Cause::expectation_failed},
    {"R28", GET "Connection: close, Host\r\n\r\n"sv, Cause::connection_names_protected_field},
    {"R28", POST "Connection: content-length\r\nContent-Length: 5\r\n\r\n"sv, Cause::connection_names_protected_field},
    {"R28", POST "Transfer-Encoding: chunked\r\nConnection: x,Transfer-Encoding\r\n\r\n"sv,
     Cause::connection_names_protected_field},
    {"R28", GET "Connection: AUTHORIZATION\r\n\r\n"sv, Cause::connection_names_protected_field},
    {"R28", GET "Connection: keep-alive\r\nConnection: x-forwarded-for\r\n\r\n"sv,
     Cause::connection_names_protected_field},
    {"R28", GET "Connection: ,, x-forwarded-port ,\r\n\r\n"sv, Cause::connection_names_protected_field},
    {"R28", GET "Connection: forwarded\r\n\r\n"sv, Cause::connection_names_protected_field},
    {"R28", GET "Connection: x-own, te, keep-alive, ,\r\nX-Own: 1\r\nTE: trailers\r\n\r\n"sv, Cause::none},
    {"R28", GET "Connection: x y\r\nX: y\r\n\r\n"sv, Cause::none},
    {"R29", GET "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n"sv, Cause::upgrade_with_body},
    {"R29", GET "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
     Cause::upgrade_with_body},
    {"R29", GET "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\n"sv, Cause::none},
};

TEST(RequestRows, EverySpellingIsJudgedTheSameInEveryArrival) {
  for (const Spelling& spelling : spellings) {
    SCOPED_TRACE(std::string(spelling.row) + " " + testing::PrintToString(spelling.bytes));
    const Verdict verdict = read_request(spelling.bytes);
    EXPECT_EQ(name_of(verdict.cause), name_of(spelling.cause));
    EXPECT_EQ(verdict.status, spelling.cause == Cause::none ? HeadStatus::complete : HeadStatus::refused);
  }
}

TEST(RequestRows, EveryControlIsRefusedWhereverItStandsInAName) {
  for (int c = 0; c < 256; ++c) {
    const bool token = c == '_' || isalnum(c) != 0 || (c != 0 && strchr("!#$%&'*+-.^`|~", c) != nullptr);
    if (token || c == ':') continue;
    for (std::string name : {"x?", "?x", "x?x"}) {
      name[name.find('?')] = static_cast<char>(c);
      if (c == '\r' && name[0] == '\r') continue;  // begins the end of the head
      RequestReader reader;
      const Verdict verdict = reader("GET / HTTP/1.1\r\nHost: a\r\n" + name + ": v\r\n\r\n");
      EXPECT_EQ(verdict.cause, Cause::field_malformed) << c;
    }
  }
}

TEST(RequestRows, EveryControlButTabIsRefusedAtEveryPlaceOfAValue) {
  for (int c = 0; c < 256; ++c) {
    const bool allowed = c == '\t' || (c >= 0x20 && c != 0x7F);
    for (size_t place = 0; place < 20; ++place) {
      std::string value(20, 'v');
      value[place] = static_cast<char>(c);
      RequestReader reader;
      const Verdict verdict = reader("GET / HTTP/1.1\r\nHost: a\r\nX: " + value + "\r\n\r\n");
      EXPECT_EQ(verdict.cause, allowed ? Cause::none : Cause::field_malformed) << c << " at " << place;
    }
  }
}

TEST(RequestRows, TargetsMayHaveEveryVisibleCharacterButTheHash) {
  for (int c = 0; c < 256; ++c) {
    const bool allowed = c > 0x20 && c < 0x7F && c != '#';
    RequestReader reader;
    const Verdict verdict = reader("GET /x" + std::string(1, static_cast<char>(c)) + "y HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(verdict.status == HeadStatus::complete, allowed) << c;
  }
}

}  // namespace
}  // namespace ringmaster::http
