// What a container engine answers: every reader takes any bytes, and what it takes makes sense; events come out of a
// stream alike however it was cut.
#include "admin/docker_messages.h"
#include "admin/names.h"
#include "base/error.h"
#include "fuzz_input.h"

using namespace ringmaster::admin;

namespace {

void check(const ContainerFacts& facts) {
  ensure(!facts.id.empty() && facts.id.find_first_of("/?# \r\n") == std::string::npos);
  if (!facts.marks) return;
  ensure(valid_name(facts.marks->name) && facts.marks->epoch > 0 && facts.marks->weight > 0);
}

std::string events_of(std::string_view bytes, size_t part) {
  LineReader lines;
  std::string all;
  for (size_t at = 0; at < bytes.size(); at += part) {
    lines.add(bytes.substr(at, part));
    while (const auto line = lines.next()) {
      ensure(!line->empty() && line->find('\n') == std::string_view::npos);
      if (const auto event = read_event(*line)) {
        ensure(!event->container.empty() && !event->action.empty());
        all += event->action + " " + event->container + " " + std::to_string(event->exit_code) + "\n";
      }
    }
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto about = read_about(bytes)) {
    if (const auto version = agree(*about)) ensure(*version >= api_oldest && *version <= api_newest);
  }
  if (const auto id = read_id(bytes)) ensure(id->find_first_of("/?# \r\n") == std::string::npos);
  if (const auto facts = read_container(bytes, "net1", 5000)) check(*facts);
  if (const auto all = read_containers(bytes)) {
    for (const ContainerFacts& facts : *all) check(facts);
  }
  ensure(!read_refusal(500, bytes).empty());
  (void)read_network(bytes);
  const std::string words = read_last_words(bytes);
  ensure(words.size() <= 3 * last_words_bytes && words.find_first_of("\n\r\x1b") == std::string::npos);
  if (const auto id = own_container(bytes)) ensure(id->size() == 64);
  ensure(events_of(bytes, size + 1) == events_of(bytes, 1 + hash_of(bytes) % 16));
  return 0;
}
