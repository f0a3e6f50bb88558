// Chunked bodies: the same reading in every arrival; what our decoder accepts, llhttp accepts with the same payload.
#include "base/error.h"
#include "chunked_reader.h"
#include "fuzz_input.h"

using namespace ringmaster;
using namespace ringmaster::http;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const ChunkedReading ours = read_chunked(bytes, std::max<size_t>(size, 1));
  ensure(read_chunked(bytes, 1) == ours);
  ensure(read_chunked(bytes, 1 + hash_of(bytes) % 32) == ours);
  ensure(ours.consumed <= size && ours.payload.size() <= ours.consumed);
  if (ours.refused) return 0;
  const ChunkedReading theirs = read_chunked_with_llhttp(bytes);
  ensure(!theirs.refused && theirs.finished == ours.finished && theirs.payload == ours.payload);
  ensure(!ours.finished || theirs.consumed == ours.consumed);
  return 0;
}
