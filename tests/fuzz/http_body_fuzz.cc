// Bodies in transfer: with every pair of framings and any arrivals, what is sent carries the payload that came, the
// framing is well-formed, and bytes behind the body are never written to.
#include <vector>

#include "base/error.h"
#include "chunked_reader.h"
#include "fuzz_input.h"

using namespace ringmaster;
using namespace ringmaster::http;

namespace {

struct Sent {
  std::string bytes;
  size_t consumed = 0;
  Cause cause = Cause::none;
};

Sent transfer(BodyTransfer& body, std::string_view bytes, uint64_t seed) {
  Sent sent;
  while (!bytes.empty() && !body.finished() && sent.cause == Cause::none) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    const size_t size = std::min<size_t>(1 + (seed >> 33) % 48, bytes.size());
    std::vector<char> room(BodyTransfer::front_bytes_max + size + BodyTransfer::back_bytes_max);
    char* const begin = room.data() + BodyTransfer::front_bytes_max;
    bytes.copy(begin, size);
    const BodyTransfer::Step step = body.transform(begin, begin + size);
    ensure(step.begin >= room.data() && step.begin <= step.end && step.end <= room.data() + room.size());
    ensure(step.consumed == size || body.finished() || step.cause != Cause::none);
    ensure(step.consumed == size || std::string_view(begin + step.consumed, size - step.consumed) ==
                                        bytes.substr(step.consumed, size - step.consumed));
    sent.bytes.append(step.begin, step.end);
    sent.consumed += step.consumed;
    sent.cause = step.cause;
    bytes.remove_prefix(step.consumed);
  }
  return sent;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const uint64_t seed = hash_of(bytes);
  const ChunkedReading reading = read_chunked(bytes, std::max<size_t>(size, 1));

  BodyTransfer rechunked(Framing::chunked, 0, Framing::chunked, 0);
  const Sent chunks = transfer(rechunked, bytes, seed);
  ensure(rechunked.finished() == reading.finished && chunks.consumed == reading.consumed);
  ensure((chunks.cause != Cause::none) == reading.refused);
  const ChunkedReading again = read_chunked(chunks.bytes, std::max<size_t>(chunks.bytes.size(), 1));
  ensure(!again.refused && again.finished == reading.finished && again.consumed == chunks.bytes.size());
  ensure(reading.refused ? reading.payload.starts_with(again.payload) : reading.payload == again.payload);

  BodyTransfer bare(Framing::chunked, 0, Framing::until_close, 0);
  ensure(transfer(bare, bytes, seed).bytes == again.payload && bare.passed() == again.payload.size());

  BodyTransfer by_length(Framing::length, size / 2, Framing::length, 0);
  ensure(transfer(by_length, bytes, seed).bytes == bytes.substr(0, size / 2));

  BodyTransfer to_close(Framing::until_close, 0, Framing::chunked, 0);
  std::string all = transfer(to_close, bytes, seed).bytes;
  std::string_view last;
  ensure(to_close.finish(last));
  all += last;
  const ChunkedReading closed = read_chunked(all, all.size());
  ensure(closed.finished && closed.payload == bytes && closed.consumed == all.size());
  return 0;
}
