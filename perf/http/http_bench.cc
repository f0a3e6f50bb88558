// What does the http room cost on the steady path? A head read and rebuilt in both directions, and bodies in transfer.
// The requests are what a browser and what a load generator send; fixed bytes, so that runs can be compared.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "http/body.h"
#include "http/forward.h"
#include "http/head.h"
#include "http/key.h"
#include "http/second_reader.h"

namespace ringmaster::http {
namespace {

const std::string small_request =
    "GET /home?request_id=132574 HTTP/1.1\r\nHost: 127.0.0.1:5000\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n";
const std::string request_200 =
    "GET /home?request_id=132574 HTTP/1.1\r\nHost: 127.0.0.1:5000\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
    "Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nX-Request-Id: 0123456789abcdef\r\nConnection: keep-alive\r\n\r\n";
const std::string browser_request =
    "GET /catalogue/items/4711?sort=price&page=2 HTTP/1.1\r\nHost: shop.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "Referer: https://shop.example.org/catalogue/items\r\nDNT: 1\r\nConnection: keep-alive\r\n"
    "Cookie: session=3f786850e387550fdab836ed7e6dc881de23001b; theme=dark; consent=all\r\n"
    "Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-Site: same-origin\r\nPriority: u=0, i\r\n\r\n";
const std::string small_response =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    "Server: ringmaster-replica\r\n\r\n";

const std::string& request_of(const benchmark::State& state) {
  const std::string* const requests[] = {&small_request, &request_200, &browser_request};
  return *requests[state.range(0)];
}

constexpr ForwardContext context{.client_ip = "192.168.100.200"};

struct Scratch {
  std::unique_ptr<FieldScratch> fields = std::make_unique<FieldScratch>();
  std::array<char, 16384> out;
};

void report(benchmark::State& state, size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
  state.counters["head_bytes"] = static_cast<double>(bytes);
}

void parse_request(benchmark::State& state) {
  Scratch scratch;
  const std::string& bytes = request_of(state);
  RequestHead head;
  for (auto _ : state) {
    HeadParser parser(HeadParser::Kind::request);
    if (parser.parse_request(bytes, {}, *scratch.fields, head) != HeadStatus::complete) state.SkipWithError("refused");
    benchmark::DoNotOptimize(head);
  }
  report(state, bytes.size());
}
BENCHMARK(parse_request)->DenseRange(0, 2);

void second_reader(benchmark::State& state) {
  const std::string& bytes = request_of(state);
  for (auto _ : state) benchmark::DoNotOptimize(read_with_llhttp(HTTP_REQUEST, bytes));
  report(state, bytes.size());
}
BENCHMARK(second_reader)->DenseRange(0, 2);

void rebuild_request(benchmark::State& state) {
  Scratch scratch;
  const std::string& bytes = request_of(state);
  RequestHead head;
  HeadParser parser(HeadParser::Kind::request);
  parser.parse_request(bytes, {}, *scratch.fields, head);
  for (auto _ : state) benchmark::DoNotOptimize(write_upstream_request(head, context, scratch.out));
  report(state, bytes.size());
}
BENCHMARK(rebuild_request)->DenseRange(0, 2);

void parse_and_rebuild_request(benchmark::State& state) {
  Scratch scratch;
  const std::string& bytes = request_of(state);
  RequestHead head;
  for (auto _ : state) {
    HeadParser parser(HeadParser::Kind::request);
    parser.parse_request(bytes, {}, *scratch.fields, head);
    benchmark::DoNotOptimize(write_upstream_request(head, context, scratch.out));
  }
  report(state, bytes.size());
}
BENCHMARK(parse_and_rebuild_request)->DenseRange(0, 2);

void parse_and_rebuild_response(benchmark::State& state) {
  Scratch scratch;
  ResponseHead head;
  for (auto _ : state) {
    HeadParser parser(HeadParser::Kind::response);
    parser.parse_response(small_response, HTTP_GET, {}, *scratch.fields, head);
    benchmark::DoNotOptimize(write_answer(head, {}, scratch.out));
  }
  report(state, small_response.size());
}
BENCHMARK(parse_and_rebuild_response);

void find_query_key(benchmark::State& state) {
  Scratch scratch;
  RequestHead head;
  HeadParser parser(HeadParser::Kind::request);
  parser.parse_request(request_200, {}, *scratch.fields, head);
  const KeySource sources[] = {KeySource::parse("query:request_id").value(),
                               KeySource::parse("header:X-Request-Id").value()};
  for (auto _ : state) benchmark::DoNotOptimize(find_key(head, "192.168.100.200", sources));
}
BENCHMARK(find_query_key);

// 16 KiB of payload in chunks of the given size, in one arrival.
std::string chunks_of(size_t size) {
  std::string bytes;
  char digits[16];
  for (size_t sent = 0; sent < 16384; sent += size) {
    snprintf(digits, sizeof digits, "%zx\r\n", size);
    bytes += digits + std::string(size, 'x') + "\r\n";
  }
  return bytes + "0\r\n\r\n";
}

void decode_chunks(benchmark::State& state) {
  const std::string bytes = chunks_of(static_cast<size_t>(state.range(0)));
  std::vector<char> arrival(bytes.size());
  for (auto _ : state) {
    bytes.copy(arrival.data(), bytes.size());  // decoding is in place
    ChunkedDecoder decoder;
    benchmark::DoNotOptimize(decoder.decode(arrival.data(), static_cast<uint32_t>(bytes.size())));
  }
  report(state, bytes.size());
}
BENCHMARK(decode_chunks)->Arg(16)->Arg(1024)->Arg(16384);

void transfer_by_length(benchmark::State& state) {
  constexpr size_t arrived = 64;
  // transform() is promised this room, although a body by length does not use it.
  std::array<char, BodyTransfer::front_bytes_max + arrived + BodyTransfer::back_bytes_max> arrival{};
  char* const begin = arrival.data() + BodyTransfer::front_bytes_max;
  BodyTransfer body(Framing::length, UINT64_MAX, Framing::length, 0);
  for (auto _ : state) benchmark::DoNotOptimize(body.transform(begin, begin + arrived));
}
BENCHMARK(transfer_by_length);

void write_refusal(benchmark::State& state) {
  std::array<char, 1024> out;
  const LocalAnswer answer{.status = 400, .cause = "host_missing", .message = text_of(Cause::host_missing)};
  for (auto _ : state) benchmark::DoNotOptimize(write_local_answer(answer, out));
}
BENCHMARK(write_refusal);

}  // namespace
}  // namespace ringmaster::http

BENCHMARK_MAIN();
