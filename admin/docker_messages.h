// What is said to a container engine and what it answers (Docker Engine API 1.41 and newer): bytes to values and back,
// no sockets. The engine's answers are the world's: whatever they contain ends in a value or in a sentence, never in a
// fault of ours (tests/fuzz/docker_answers_fuzz.cc holds it to that).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/runtime.h"
#include "config/settings.h"

namespace ringmaster::admin {

// The error is a sentence.
template <class T>
using Read = std::expected<T, std::string>;

// --- the version -----------------------------------------------------------------------------------------------------

struct ApiVersion {
  uint32_t major = 0, minor = 0;
  auto operator<=>(const ApiVersion&) const = default;
  std::string text() const;   // "1.41"
};
// Docker 20.10, which is also what Podman speaks; and the newest that this has been written for.
inline constexpr ApiVersion api_oldest{1, 41}, api_newest{1, 51};

struct EngineAbout {
  std::string engine;         // "20.10.24", "5.4.2 (Podman)"
  bool podman = false;
  ApiVersion oldest, newest;
};
Read<EngineAbout> read_about(std::string_view body);
// The newest that both know.
Read<ApiVersion> agree(const EngineAbout& about);

// --- containers ----------------------------------------------------------------------------------------------------

// By these labels we know our own containers again, across restarts of ours.
inline constexpr std::string_view label_instance = "ringmaster.instance";
inline constexpr std::string_view label_name = "ringmaster.name";
inline constexpr std::string_view label_number = "ringmaster.number";
inline constexpr std::string_view label_weight = "ringmaster.weight";
inline constexpr std::string_view label_epoch = "ringmaster.epoch";
inline constexpr std::string_view label_image = "ringmaster.image";
inline constexpr std::string_view label_template = "ringmaster.template_image";  // docker.image, when it was made

struct Marks {
  std::string instance, name;
  uint64_t number = 0;
  uint32_t weight = 1, epoch = 0;
  std::string image;                    // that it was made from; "": not known
  std::string template_image;           // what docker.image was then
  bool operator==(const Marks&) const = default;
};

// The image of the next lives of a container's replica, as in StartOrder: that of a roll for as long as docker.image is
// what it was then. Whoever changes the settings after a roll has spoken last.
std::string next_image(const Marks& marks, std::string_view docker_image);

struct ContainerFacts {
  std::string id, name;
  std::optional<Marks> marks;           // where all labels are there and make sense
  bool running = false;                 // paused ones are
  bool host_network = false;            // it has the host's own network
  std::string ending;                   // "exited with status 3", "was out of memory"; of one that has run
  std::string address;                  // on the network that was asked for; "" where it is not on it
  uint16_t published_port = 0;          // of 127.0.0.1; 0: none
};

// "Server1.3": a name of a replica has no dot.
std::string container_name(std::string_view replica, uint32_t epoch);

struct NetworkFacts {
  std::string bridge;                   // the interface that the engine's machine has on it; "": none
  std::vector<std::string> gateways;    // addresses of that interface
};

// The Id of {"Id":…}: POST /containers/create.
Read<std::string> read_id(std::string_view body);
// GET /containers/{id}/json
Read<ContainerFacts> read_container(std::string_view body, std::string_view network, uint32_t port);
// GET /containers/json; addresses and endings are left out.
Read<std::vector<ContainerFacts>> read_containers(std::string_view body);
// GET /containers/{id}/logs: the last `last_words_bytes` of it on one line, nothing in it that a terminal obeys.
inline constexpr size_t last_words_bytes = 400;
std::string read_last_words(std::string_view body);
// GET /networks/{name}
Read<NetworkFacts> read_network(std::string_view body);
// {"message":…} of an answer that is no success, or what there is instead. `hint` is added for known causes.
std::string read_refusal(uint16_t status, std::string_view body);

// What is to be created, as JSON. `extra` is a JSON object (or empty) that is merged in, below what is ours.
struct ContainerPlan {
  const config::Settings::Docker& settings;
  const StartOrder& order;
  bool publish = false;                 // a port of 127.0.0.1
  std::string_view seccomp;             // the profile: JSON, or for Podman its path there; "": the engine's
  std::string_view extra;
};
std::string create_body(const ContainerPlan& plan);
// The query for our own containers: ?all=1&filters=…
std::string list_query(std::string_view instance);

std::string percent_encoded(std::string_view text);

// Whether the text is a JSON object: for files of the operator's.
bool is_json_object(std::string_view text);

// --- events --------------------------------------------------------------------------------------------------------

// "exited with status 3", "was killed by signal 9": engines report a signal as 128 and its number.
std::string ending_text(int64_t status);
// The query for what may concern a container of ours.
std::string events_query();

struct EngineEvent {
  std::string action;          // "die", "kill", "health_status: unhealthy"
  std::string container;       // its id
  std::string network;         // of network events: the network's name
  int32_t exit_code = -1;      // die
  int32_t signal = 0;          // kill
};
// Anything that is not an event of a container or a network: nothing.
std::optional<EngineEvent> read_event(std::string_view line);

// Cuts the stream of events into lines. A line over the limit is passed over: nothing that concerns us is that long.
class LineReader {
 public:
  static constexpr size_t line_bytes_max = 256 * 1024;

  void add(std::string_view piece);
  // The next whole line, without its end; valid until the next call of either.
  std::optional<std::string_view> next();

 private:
  std::string bytes_;
  size_t at_ = 0;          // what lies before it has been handed out
  bool skipping_ = false;  // the rest of a line that is too long
};

// --- ourselves -----------------------------------------------------------------------------------------------------

// The id of the container that a process with this /proc/self/mountinfo is in: engines mount /etc/hostname from a
// folder that is named by it. Nothing: not in a container, or not to be known.
std::optional<std::string> own_container(std::string_view mountinfo);

}  // namespace ringmaster::admin
