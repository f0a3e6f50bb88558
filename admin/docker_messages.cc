#include "admin/docker_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include <nlohmann/json.hpp>

#include "admin/names.h"

namespace ringmaster::admin {

namespace {

using Json = nlohmann::json;

constexpr size_t refusal_bytes_max = 400;  // of what an engine says, in a sentence of ours

// --- reading, whatever is there ------------------------------------------------------------------------------------

const Json& at(const Json& json, std::string_view key) {
  static const Json nothing;
  if (!json.is_object()) return nothing;
  const auto place = json.find(key);
  return place == json.end() ? nothing : *place;
}

std::string text_at(const Json& json, std::string_view key) {
  const Json& value = at(json, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

bool flag_at(const Json& json, std::string_view key) {
  const Json& value = at(json, key);
  return value.is_boolean() && value.get<bool>();
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Numbers come as numbers or as text.
std::optional<int64_t> number_at(const Json& json, std::string_view key) {
  const Json& value = at(json, key);
  if (value.is_string()) return number_of<int64_t>(value.get_ref<const std::string&>());
  if (value.is_number_unsigned() && value.get<uint64_t>() > std::numeric_limits<int64_t>::max()) return std::nullopt;
  if (value.is_number_integer()) return value.get<int64_t>();
  return std::nullopt;
}

Json parsed(std::string_view body) { return Json::parse(body, nullptr, false); }

std::unexpected<std::string> no_answer(std::string_view of_what) {
  return std::unexpected(fmt::format("the engine's answer to {} is not what its API promises", of_what));
}

// An id goes into paths of later requests.
bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

std::optional<ApiVersion> read_version(std::string_view text) {
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto major = number_of<uint32_t>(text.substr(0, dot));
  const auto minor = number_of<uint32_t>(text.substr(dot + 1));
  if (!major || !minor) return std::nullopt;
  return ApiVersion{*major, *minor};
}

std::optional<Marks> read_marks(const Json& labels) {
  Marks marks;
  marks.instance = text_at(labels, label_instance);
  marks.name = text_at(labels, label_name);
  const auto number = number_of<uint64_t>(text_at(labels, label_number));
  const auto weight = number_of<uint32_t>(text_at(labels, label_weight));
  const auto epoch = number_of<uint32_t>(text_at(labels, label_epoch));
  // Whoever else writes such labels: what they say must be what we could have written.
  if (marks.instance.empty() || !valid_name(marks.name) || !number || !epoch || *epoch == 0) return std::nullopt;
  if (!weight || *weight < 1 || *weight > 65535) return std::nullopt;
  marks.number = *number;
  marks.weight = *weight;
  marks.epoch = *epoch;
  marks.image = text_at(labels, label_image);
  marks.template_image = text_at(labels, label_template);
  return marks;
}

std::string without_slash(std::string name) {
  if (name.starts_with('/')) name.erase(0, 1);
  return name;
}

std::string read_ending(const Json& state) {
  if (flag_at(state, "OOMKilled")) return "was out of memory";
  const std::string error = text_at(state, "Error");
  const int64_t status = number_at(state, "ExitCode").value_or(0);
  std::string ending = ending_text(status);
  if (!error.empty()) ending += fmt::format(" ({})", error);
  return ending;
}

uint16_t read_published(const Json& ports, uint32_t port) {
  const Json& bindings = at(ports, fmt::format("{}/tcp", port));
  if (!bindings.is_array()) return 0;
  for (const Json& binding : bindings) {
    const auto host_port = number_at(binding, "HostPort");
    if (host_port && *host_port > 0 && *host_port <= 65535) return static_cast<uint16_t>(*host_port);
  }
  return 0;
}

// "[::1]:" needs its brackets.
std::string read_address(const Json& endpoint) {
  if (const std::string ip = text_at(endpoint, "IPAddress"); !ip.empty()) return ip;
  const std::string ip6 = text_at(endpoint, "GlobalIPv6Address");
  return ip6.empty() ? "" : fmt::format("[{}]", ip6);
}

// json[key] as an object, whatever it was before.
Json& object_in(Json& json, const std::string& key) {
  Json& value = json[key];
  if (!value.is_object()) value = Json::object();
  return value;
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

// --- the version -----------------------------------------------------------------------------------------------------

std::string ApiVersion::text() const { return fmt::format("{}.{}", major, minor); }

Read<EngineAbout> read_about(std::string_view body) {
  const Json json = parsed(body);
  const auto newest = read_version(text_at(json, "ApiVersion"));
  if (!newest) return no_answer("/version");
  EngineAbout about;
  about.engine = text_at(json, "Version");
  const Json& components = at(json, "Components");
  if (components.is_array()) {
    about.podman = std::ranges::any_of(
        components, [](const Json& one) { return text_at(one, "Name") == "Podman Engine"; });
  }
  if (about.podman) about.engine += " (Podman)";
  about.newest = *newest;
  about.oldest = read_version(text_at(json, "MinAPIVersion")).value_or(about.newest);
  return about;
}

Read<ApiVersion> agree(const EngineAbout& about) {
  if (about.newest < api_oldest) {
    return std::unexpected(fmt::format("the engine ({}) is too old: it knows version {} of the API, and {} is needed "
                                       "(Docker 20.10)", about.engine, about.newest.text(), api_oldest.text()));
  }
  if (about.oldest > api_newest) {
    return std::unexpected(fmt::format("the engine ({}) is too new: it has given up version {} of the API",
                                       about.engine, api_newest.text()));
  }
  return std::min(about.newest, api_newest);
}

// --- containers ----------------------------------------------------------------------------------------------------

std::string next_image(const Marks& marks, std::string_view docker_image) {
  return marks.image != docker_image && marks.template_image == docker_image ? marks.image : "";
}

std::string container_name(std::string_view replica, uint32_t epoch) { return fmt::format("{}.{}", replica, epoch); }

Read<std::string> read_id(std::string_view body) {
  std::string id = text_at(parsed(body), "Id");
  if (!is_id(id)) return no_answer("/containers/create");
  return id;
}

Read<ContainerFacts> read_container(std::string_view body, std::string_view network, uint32_t port) {
  const Json json = parsed(body);
  ContainerFacts facts;
  facts.id = text_at(json, "Id");
  if (!is_id(facts.id)) return no_answer("/containers/…/json");
  facts.name = without_slash(text_at(json, "Name"));
  facts.marks = read_marks(at(at(json, "Config"), "Labels"));
  const Json& state = at(json, "State");
  facts.running = flag_at(state, "Running");
  facts.host_network = text_at(at(json, "HostConfig"), "NetworkMode") == "host";
  if (!facts.running) facts.ending = read_ending(state);
  const Json& reach = at(json, "NetworkSettings");
  facts.address = read_address(at(at(reach, "Networks"), network));
  facts.published_port = read_published(at(reach, "Ports"), port);
  return facts;
}

Read<std::vector<ContainerFacts>> read_containers(std::string_view body) {
  const Json json = parsed(body);
  if (!json.is_array()) return no_answer("/containers/json");
  std::vector<ContainerFacts> all;
  for (const Json& one : json) {
    ContainerFacts facts;
    facts.id = text_at(one, "Id");
    if (!is_id(facts.id)) return no_answer("/containers/json");
    const Json& names = at(one, "Names");
    if (names.is_array() && !names.empty() && names.front().is_string()) {
      facts.name = without_slash(names.front().get<std::string>());
    }
    facts.marks = read_marks(at(one, "Labels"));
    const std::string state = text_at(one, "State");
    facts.running = state == "running" || state == "paused";
    all.push_back(std::move(facts));
  }
  return all;
}

Read<NetworkFacts> read_network(std::string_view body) {
  constexpr size_t short_id_bytes = 12;  // that Docker puts into the name of a bridge, interface names being short
  const Json json = parsed(body);
  const std::string id = text_at(json, "Id");
  if (!is_id(id)) return no_answer("/networks/…");
  NetworkFacts facts;
  if (text_at(json, "Driver") != "bridge") return facts;
  facts.bridge = text_at(at(json, "Options"), "com.docker.network.bridge.name");
  if (facts.bridge.empty()) facts.bridge = "br-" + id.substr(0, short_id_bytes);
  const Json& pools = at(at(json, "IPAM"), "Config");
  if (pools.is_array()) {
    for (const Json& pool : pools) {
      const std::string gateway = text_at(pool, "Gateway");
      // Docker may put the length of the prefix behind it.
      if (!gateway.empty()) facts.gateways.push_back(gateway.substr(0, gateway.find('/')));
    }
  }
  return facts;
}

std::string read_last_words(std::string_view body) {
  // Eight bytes before each piece, unless the container has a terminal: stream, three zeros, the length, big end first.
  constexpr size_t head_bytes = 8;
  std::string text;
  while (body.size() >= head_bytes && static_cast<unsigned char>(body[0]) <= 2 &&
         body.substr(1, 3) == std::string_view("\0\0\0", 3)) {
    size_t length = 0;
    for (size_t i = 4; i < head_bytes; ++i) length = length << 8 | static_cast<unsigned char>(body[i]);
    body.remove_prefix(head_bytes);
    length = std::min(length, body.size());
    text += body.substr(0, length);
    body.remove_prefix(length);
  }
  text += body;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.size() > last_words_bytes) text.erase(0, text.size() - last_words_bytes);
  std::string line;
  for (const char c : text) {
    if (c == '\n') line += " | ";
    else if (const auto byte = static_cast<unsigned char>(c); c != '\r') line += byte < ' ' || byte == 0x7f ? '?' : c;
  }
  return line;
}

std::string read_refusal(uint16_t status, std::string_view body) {
  struct Known {
    std::string_view says, hint;
  };
  // Without their first letters: Podman's sentences begin small.
  static constexpr Known known[] = {
      {"o such image", "build or pull it, or name another in docker.image"},
      {"is already in use by", "remove that container, or give docker.instance and the replicas other names"},
      {"o space left on device", "make room: docker system df, docker system prune"},
      {"port is already allocated", "another program has the port"},
      {"ddress already in use", "another program has the port"},
  };
  const Json json = parsed(body);
  std::string message = text_at(json, "message");
  if (message.empty()) message = std::string(body);
  if (message.size() > refusal_bytes_max) message.resize(refusal_bytes_max);
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) message.pop_back();
  std::string text = fmt::format("the engine says {}: {}", status, message);
  for (const Known& one : known) {
    if (message.find(one.says) != std::string::npos) return fmt::format("{} ({})", text, one.hint);
  }
  // From Docker 28 on, and from Podman, there are words before these.
  if (message.find("network") != std::string::npos && message.ends_with(" not found")) {
    text += " (make it: docker network create)";
  }
  return text;
}

namespace {

const std::string& image_of(const config::Settings::Docker& settings, const StartOrder& order) {
  return order.image.empty() ? settings.image : order.image;
}

// What the settings say, and what `extra` may change.
Json template_of(const ContainerPlan& plan) {
  const config::Settings::Docker& settings = plan.settings;
  Json json;
  if (!settings.command.empty()) json["Cmd"] = settings.command;
  json["Env"] = settings.environment;
  Json& host = json["HostConfig"];
  if (settings.memory > 0) host["Memory"] = settings.memory;
  if (settings.memory > 0) host["MemorySwap"] = settings.memory;  // the same number: no swap besides
  if (settings.cpu_thousandths > 0) host["NanoCpus"] = uint64_t{settings.cpu_thousandths} * 1'000'000;
  if (settings.pids > 0) host["PidsLimit"] = settings.pids;
  host["ReadonlyRootfs"] = settings.read_only;
  host["CapDrop"] = Json::array({"ALL"});
  host["SecurityOpt"] = Json::array({"no-new-privileges"});
  if (!plan.seccomp.empty()) host["SecurityOpt"].push_back(fmt::format("seccomp={}", plan.seccomp));
  host["Init"] = true;  // whatever the replica is, it gets its signals and its orphans are reaped
  if (!plan.extra.empty()) json.merge_patch(parsed(plan.extra));
  return json;
}

void mark(Json& json, const config::Settings::Docker& settings, const StartOrder& order) {
  Json& labels = object_in(json, "Labels");
  for (const std::string& label : settings.labels) {
    const size_t equals = std::min(label.find('='), label.size());
    labels[label.substr(0, equals)] = label.substr(std::min(equals + 1, label.size()));
  }
  labels[std::string(label_instance)] = settings.instance;
  labels[std::string(label_name)] = order.name;
  labels[std::string(label_number)] = std::to_string(order.number);
  labels[std::string(label_weight)] = std::to_string(order.weight);
  labels[std::string(label_epoch)] = std::to_string(order.epoch);
  labels[std::string(label_image)] = image_of(settings, order);
  labels[std::string(label_template)] = settings.image;
}

}  // namespace

std::string create_body(const ContainerPlan& plan) {
  const config::Settings::Docker& settings = plan.settings;
  Json json = template_of(plan);
  // From here on nothing can be overridden: we must know the container again, and reach it.
  json["Image"] = image_of(settings, plan.order);
  if (!at(json, "Env").is_array()) json["Env"] = Json::array();
  json["Env"].push_back(fmt::format("SERVER_ID={}", plan.order.name));
  json["Env"].push_back(fmt::format("PORT={}", settings.port));
  mark(json, settings, plan.order);
  Json& host = object_in(json, "HostConfig");
  host["RestartPolicy"] = Json::object({{"Name", "no"}});
  host["AutoRemove"] = false;
  host["NetworkMode"] = settings.network;
  Json& endpoints = object_in(object_in(json, "NetworkingConfig"), "EndpointsConfig");
  object_in(endpoints, settings.network)["Aliases"] = Json::array({plan.order.name});
  if (plan.publish) {
    const std::string port = fmt::format("{}/tcp", settings.port);
    object_in(json, "ExposedPorts")[port] = Json::object();
    const Json binding = Json::object({{"HostIp", "127.0.0.1"}, {"HostPort", ""}});
    object_in(host, "PortBindings")[port] = Json::array({binding});
  }
  return text_of(json);
}

std::string list_query(std::string_view instance) {
  Json filters;
  filters["label"] = {fmt::format("{}={}", label_instance, instance)};
  return "?all=1&filters=" + percent_encoded(text_of(filters));
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) out += c;
    else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

bool is_json_object(std::string_view text) { return parsed(text).is_object(); }

// --- events --------------------------------------------------------------------------------------------------------

std::string ending_text(int64_t status) {
  constexpr int64_t signals = 128, signal_max = 64;
  const int64_t signal = status - signals;
  if (signal > 0 && signal <= signal_max) return fmt::format("was killed by signal {}", signal);
  return fmt::format("exited with status {}", status);
}

std::string events_query() {
  Json filters;
  filters["type"] = {"container", "network"};
  filters["event"] = {"die", "oom", "kill", "pause", "health_status", "destroy", "remove", "disconnect"};
  return "?filters=" + percent_encoded(text_of(filters));
}

std::optional<EngineEvent> read_event(std::string_view line) {
  const Json json = parsed(line);
  const std::string type = text_at(json, "Type");
  const Json& actor = at(json, "Actor");
  const Json& attributes = at(actor, "Attributes");
  EngineEvent event;
  event.action = text_at(json, "Action");
  if (type == "container") {
    event.container = text_at(actor, "ID");
    if (event.container.empty()) event.container = text_at(json, "id");
  } else if (type == "network") {
    event.container = text_at(attributes, "container");
    event.network = text_at(attributes, "name");
    if (event.container.empty()) {  // Podman turns it round
      event.container = text_at(actor, "ID");
      event.network = text_at(attributes, "network");
    }
  }
  if (event.action.empty() || event.container.empty()) return std::nullopt;
  const auto small = [&](std::string_view key, int32_t otherwise) {
    const int64_t value = number_at(attributes, key).value_or(otherwise);
    return value >= -1 && value <= 1'000'000 ? static_cast<int32_t>(value) : otherwise;
  };
  event.exit_code = small("exitCode", -1);
  event.signal = small("signal", 0);
  return event;
}

void LineReader::add(std::string_view piece) {
  bytes_.erase(0, at_);
  at_ = 0;
  bytes_.append(piece);
}

std::optional<std::string_view> LineReader::next() {
  while (true) {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string::npos) {
      if (skipping_ || bytes_.size() - at_ > line_bytes_max) {
        skipping_ = true;
        at_ = bytes_.size();
      }
      return std::nullopt;
    }
    std::string_view line = std::string_view(bytes_).substr(at_, end - at_);
    at_ = end + 1;
    if (std::exchange(skipping_, false) || line.size() > line_bytes_max) continue;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) return line;
  }
}

// --- ourselves -----------------------------------------------------------------------------------------------------

std::optional<std::string> own_container(std::string_view mountinfo) {
  // "… /var/lib/docker/containers/<64 hex>/hostname /etc/hostname rw,… - ext4 …": proc(5), the fourth field is the
  // mount's root, the fifth where it is mounted.
  constexpr size_t id_bytes = 64;
  while (!mountinfo.empty()) {
    const size_t end = std::min(mountinfo.find('\n'), mountinfo.size());
    const std::string_view line = mountinfo.substr(0, end);
    mountinfo.remove_prefix(std::min(end + 1, mountinfo.size()));
    const size_t mounted = line.find(" /etc/hostname ");
    if (mounted == std::string_view::npos) continue;
    std::string_view root = line.substr(0, mounted);
    root = root.substr(root.rfind(' ') + 1);
    if (!root.ends_with("/hostname")) continue;
    root.remove_suffix(std::string_view("/hostname").size());
    // Podman: …/overlay-containers/<id>/userdata/hostname
    if (root.ends_with("/userdata")) root.remove_suffix(std::string_view("/userdata").size());
    const std::string_view id = root.substr(root.rfind('/') + 1);
    if (id.size() == id_bytes && is_id(id)) return std::string(id);
  }
  return std::nullopt;
}

}  // namespace ringmaster::admin
