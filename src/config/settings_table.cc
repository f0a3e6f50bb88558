#include "config/settings_table.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <type_traits>

#include "config/forms.h"

namespace ringmaster::config {

namespace {

// --- how a value gets into a field and back ------------------------------------------------------------------------

template <class T>
Value load(const Shape& shape, const T& field) {
  if constexpr (std::is_enum_v<T>) return std::string(shape.choices[static_cast<size_t>(field)]);
  else if constexpr (std::is_same_v<T, milliseconds>) return static_cast<int64_t>(field.count());
  else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) return static_cast<int64_t>(field);
  else return field;
}

template <class T>
void store(const Shape& shape, T& field, const Value& value) {
  if constexpr (std::is_enum_v<T>) {
    const auto place = std::find(shape.choices.begin(), shape.choices.end(), std::get<std::string>(value));
    field = static_cast<T>(place - shape.choices.begin());
  } else if constexpr (std::is_same_v<T, milliseconds>) {
    field = milliseconds(std::get<int64_t>(value));
  } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    field = static_cast<T>(std::get<int64_t>(value));
  } else {
    field = std::get<T>(value);
  }
}

template <auto section, auto field>
constexpr Setting at(const Shape& shape) {
  return {shape, [](const Shape& s, const Settings& owner) { return load(s, owner.*section.*field); },
          [](const Shape& s, Settings& owner, const Value& value) { store(s, owner.*section.*field, value); }};
}

template <auto field>
constexpr ReplicaColumn column(const Shape& shape) {
  return {shape, [](const Shape& s, const StaticReplica& owner) { return load(s, owner.*field); },
          [](const Shape& s, StaticReplica& owner, const Value& value) { store(s, owner.*field, value); }};
}

// --- what the rows share -------------------------------------------------------------------------------------------

using S = Settings;
using Texts = std::string_view;

constexpr int64_t second_ms = 1000;
constexpr int64_t hour_ms = 3600 * second_ms;
constexpr int64_t day_ms = 24 * hour_ms;
constexpr int64_t connections_max = 1'000'000;

constexpr Texts tables[] = {"rendezvous", "maglev",      "ketama",            "assignment",  "assignment-printed",
                            "md5",        "round_robin", "least_connections", "power_of_two"};
constexpr Texts probings[] = {"linear", "quadratic"};
constexpr Texts runtimes[] = {"process", "static", "docker"};
constexpr Texts exits[] = {"stop", "keep"};
constexpr Texts reaches[] = {"auto", "network", "published"};
constexpr Texts respawn_names[] = {"same", "random"};
constexpr Texts same_sites[] = {"lax", "strict", "none"};
constexpr Texts affinities[] = {"prefer", "strict", "fail_over"};
constexpr Texts access_formats[] = {"combined", "json"};
constexpr Texts log_levels[] = {"debug", "info", "warning", "error"};

constexpr Texts default_listen[] = {"0.0.0.0:5000", "[::]:5000"};
constexpr Texts default_key[] = {"query:request_id", "header:X-Request-Id", "random"};
constexpr Texts default_command[] = {"ringmaster-replica"};

constexpr Texts listen_form =
    "addresses such as \"127.0.0.1:5000\", \"[::1]:5000\", \"unix:/run/x.sock\" or \"fd:3\"";
constexpr Texts admin_form = "an address such as \"127.0.0.1:5001\", \"[::1]:5001\" or \"unix:/run/ringmaster.sock\"";
constexpr Texts replica_form = "an address such as \"127.0.0.1:9001\", \"[::1]:9001\" or \"unix:/run/r1.sock\"";
constexpr Texts engine_form =
    "an address such as \"unix:/var/run/docker.sock\" or \"10.0.0.2:2375\"; names are not resolved";
constexpr Texts assignment_form = "assignments such as \"NAME=value\"";
constexpr Texts file_form = "a path, or nothing";
constexpr Texts key_form =
    "sources: query:NAME, header:NAME, cookie:NAME, path, path_segment:N, uri, host, client_ip or random";

constexpr Section section_rows[] = {
    {"proxy", "The port that clients reach."},
    {"routing", "Which replica owns a request: its key is hashed to a slot, and each slot has an owner."},
    {"replicas", "What stands behind the proxy, and who keeps it alive."},
    {"docker", "The template of a replica's container, and the engine that runs it: for replicas.runtime \"docker\"."},
    {"heartbeat", "How a replica's health is found out. Every replica is asked, all at once."},
    {"timeouts", "How long the proxy waits, and for what."},
    {"limits", "What a client, a replica or a message may ask for."},
    {"ejection", "When a replica that fails requests is taken out of the table until it answers its heartbeat again."},
    {"retry", "When a request that a replica has failed is tried on the next one."},
    {"admin", "The admin API: the assignment's /rep, /add and /rm, the native API under /v1, and metrics."},
    {"log", "What is written: events to standard error, requests to the access log."},
};

// --- the table -----------------------------------------------------------------------------------------------------

constexpr Setting rows[] = {
    at<&S::proxy, &S::Proxy::listen>(
        {.key = "proxy.listen",
         .kind = Kind::list,
         .default_list = default_listen,
         .minimum = 0,
         .maximum = 64,
         .accepts = is_listen_address,
         .form = listen_form,
         .placeholder = "ADDRESS",
         .text = "Where clients connect. fd:N is a listening socket that ringmaster has inherited. Sockets that "
                 "systemd passes (LISTEN_FDS) are used in place of these."}),
    at<&S::proxy, &S::Proxy::workers>(
        {.key = "proxy.workers",
         .kind = Kind::integer,
         .default_text = "0",
         .minimum = 0,
         .maximum = 256,
         .unit = "threads",
         .text = "Threads that serve clients, each pinned to a CPU. 0: one for each CPU that the process may use."}),
    at<&S::proxy, &S::Proxy::drop_in>(
        {.key = "proxy.drop_in",
         .kind = Kind::boolean,
         .default_text = "false",
         .text = "Answers the assignment's /rep, /add and /rm on the proxy's own port, and turns a replica's 404 "
                 "into the assignment's 400."}),
    at<&S::proxy, &S::Proxy::via>({.key = "proxy.via",
                                   .kind = Kind::boolean,
                                   .default_text = "false",
                                   .text = "Adds a Via field to what is passed on, in both directions."}),
    at<&S::proxy, &S::Proxy::debug_headers>(
        {.key = "proxy.debug_headers",
         .kind = Kind::boolean,
         .default_text = "false",
         .text = "Adds X-Ringmaster-Replica, -Slot, -Epoch, -Key and -Verdict to replicas' answers: who served, by "
                 "which slot of which table, what the key was taken from, and why it was that replica."}),
    at<&S::proxy, &S::Proxy::trusted_proxies>(
        {.key = "proxy.trusted_proxies",
         .kind = Kind::list,
         .minimum = 0,
         .maximum = 1024,
         .accepts = is_network,
         .form = "networks such as \"10.0.0.0/8\" or \"fd00::/8\"",
         .placeholder = "NETWORK",
         .text = "Clients in these networks are proxies whose X-Forwarded fields are believed and added to. "
                 "Everybody else's are overwritten. With the key client_ip, the client is then the last address of "
                 "X-Forwarded-For that is in none of these networks."}),
    at<&S::proxy, &S::Proxy::receive_buffers>(
        {.key = "proxy.receive_buffers",
         .kind = Kind::integer,
         .default_text = "0",
         .minimum = 0,
         .maximum = 32768,
         .unit = "buffers",
         .power_of_two = true,
         .text = "The most receive buffers that a worker holds. 0: as many as it needs."}),

    at<&S::routing, &S::Routing::table>(
        {.key = "routing.table",
         .kind = Kind::choice,
         .default_text = "rendezvous",
         .choices = tables,
         .text = "How slots get their owners. rendezvous: xxHash, the most even, and a departing replica moves no "
                 "key of another. maglev and ketama: as published. assignment, assignment-printed and md5: the "
                 "assignment's own. round_robin, least_connections and power_of_two have no keys: each worker spreads "
                 "its requests by turns, to whom has the fewest under way, or to the better of two at random."}),
    at<&S::routing, &S::Routing::slots>(
        {.key = "routing.slots",
         .kind = Kind::integer,
         .default_text = "0",
         .minimum = 0,
         .maximum = slots_max,
         .unit = "slots",
         .text = "Slots of the table; for maglev a prime. 0: the table's own number, which is 65536 for rendezvous "
                 "and 512 for the assignment's three."}),
    at<&S::routing, &S::Routing::virtual_nodes>(
        {.key = "routing.virtual_nodes",
         .kind = Kind::integer,
         .default_text = "9",
         .minimum = 1,
         .maximum = 1024,
         .unit = "slots",
         .text = "Slots that each replica takes in the assignment's three tables."}),
    at<&S::routing, &S::Routing::probing>(
        {.key = "routing.probing",
         .kind = Kind::choice,
         .default_text = "linear",
         .choices = probings,
         .text = "How the assignment's tables find another slot where one is taken."}),
    at<&S::routing, &S::Routing::key>(
        {.key = "routing.key",
         .kind = Kind::list,
         .default_list = default_key,
         .minimum = 1,
         .maximum = 16,
         .accepts = is_key_source,
         .form = key_form,
         .placeholder = "SOURCE",
         .text = "What a request is hashed by: the first of these that it has. Requests with equal keys meet the "
                 "same replica; random spreads them."}),
    at<&S::routing, &S::Routing::affinity>(
        {.key = "routing.affinity",
         .kind = Kind::choice,
         .default_text = "prefer",
         .choices = affinities,
         .text = "What a request does whose replica cannot take it. prefer: it goes to the next in the slot's order "
                 "when the owner is full, above its bound or down. fail_over: only when it is down; a full one is "
                 "waited for. strict: nobody else ever serves the key; a full owner is waited for, and one that is "
                 "gone until it is back."}),
    at<&S::routing, &S::Routing::affinity_wait>(
        {.key = "routing.affinity_wait",
         .kind = Kind::duration,
         .default_text = "3s",
         .minimum = 0,
         .maximum = hour_ms,
         .text = "With strict: how long a request waits for an owner that is gone; 503 past it."}),
    at<&S::routing, &S::Routing::balance_factor>(
        {.key = "routing.balance_factor",
         .kind = Kind::factor,
         .default_text = "0",
         .minimum = 0,
         .maximum = 10'000,
         .text = "The bound of consistent hashing with bounded loads: no replica is given a request by which it would "
                 "hold more than this times its fair share of the requests under way; the next in the slot's order "
                 "gets it. 1.25 is a good value; 0: no bound. It is held when a request is placed, by each worker for "
                 "its own requests: all together may then be above it by one request for each further worker. Requests "
                 "that end lower the share of those under way, and none of them is moved."}),
    at<&S::routing, &S::Routing::slow_start>(
        {.key = "routing.slow_start",
         .kind = Kind::duration,
         .default_text = "0",
         .minimum = 0,
         .maximum = day_ms,
         .text = "A replica that comes, or comes back, beside others takes its slots over one after the other in this "
                 "time; until then their fall-backs serve them. So does the new life that a roll gives a replica, and "
                 "the roll goes on to the next when it is over. Clients that stick are not held back. 0: at once. "
                 "Strict affinity does without."}),
    at<&S::routing, &S::Routing::hot_key_replicas>(
        {.key = "routing.hot_key_replicas",
         .kind = Kind::integer,
         .default_text = "1",
         .minimum = 1,
         .maximum = 9,
         .unit = "replicas",
         .text = "A key that is hot is served by so many replicas, the first of its slot's order; all other keys stay "
                 "where they are. 1: by one, like every key."}),
    at<&S::routing, &S::Routing::hot_key_share>(
        {.key = "routing.hot_key_share",
         .kind = Kind::percentage,
         .default_text = "10",
         .minimum = 1,
         .maximum = 100,
         .text = "A key is hot above this share of a worker's latest requests."}),
    at<&S::routing, &S::Routing::sticky_cookie>(
        {.key = "routing.sticky_cookie",
         .kind = Kind::text,
         .default_text = "",
         .accepts = is_cookie_name_or_empty,
         .form = "the name of a cookie",
         .placeholder = "NAME",
         .text = "Answers set this cookie; it names the replica, which then serves the client's other requests, too, "
                 "whatever their keys. None is set where this is empty."}),
    at<&S::routing, &S::Routing::sticky_secret_file>(
        {.key = "routing.sticky_secret_file",
         .kind = Kind::text,
         .default_text = "",
         .accepts = is_path_or_empty,
         .form = "the path of a file",
         .placeholder = "FILE",
         .text = "A file of 16 to 4096 bytes, the secret that sticky cookies are signed with. Instances that share it "
                 "believe each other's cookies, and their own after a restart. It is read at the start; with another "
                 "secret, cookies from before are not believed, and their clients go by their keys once. Without a "
                 "file, each start draws a secret."}),
    at<&S::routing, &S::Routing::sticky_same_site>(
        {.key = "routing.sticky_same_site",
         .kind = Kind::choice,
         .default_text = "lax",
         .choices = same_sites,
         .text = "The SameSite attribute of the sticky cookie."}),
    at<&S::routing, &S::Routing::sticky_secure>(
        {.key = "routing.sticky_secure",
         .kind = Kind::boolean,
         .default_text = "false",
         .text = "Gives the sticky cookie the Secure attribute: browsers then send it over TLS only."}),

    at<&S::replicas, &S::Replicas::runtime>(
        {.key = "replicas.runtime",
         .kind = Kind::choice,
         .default_text = "process",
         .choices = runtimes,
         .text = "process: ringmaster starts replicas as local processes and keeps their number. docker: the same with "
                 "containers, see docker.image and its neighbours. static: somebody else runs them; they are checked, "
                 "taken out and let in again, never started."}),
    at<&S::replicas, &S::Replicas::count>({.key = "replicas.count",
                                           .kind = Kind::integer,
                                           .default_text = "3",
                                           .minimum = 0,
                                           .maximum = 1000,
                                           .unit = "replicas",
                                           .text = "Replicas to start with, where ringmaster runs them."}),
    at<&S::replicas, &S::Replicas::command>(
        {.key = "replicas.command",
         .kind = Kind::command,
         .default_list = default_command,
         .minimum = 0,
         .maximum = 256,
         .accepts = is_argument,
         .form = "arguments, the program first",
         .placeholder = "ARGUMENT",
         .text = "The program of the process runtime and its arguments; found beside ringmaster, then on PATH. It "
                 "gets PORT and SERVER_ID in its environment and answers the heartbeat."}),
    at<&S::replicas, &S::Replicas::respawn_name>(
        {.key = "replicas.respawn_name",
         .kind = Kind::choice,
         .default_text = "same",
         .choices = respawn_names,
         .text = "The name of a replica that takes a dead one's place. same: it keeps the slots. random: the "
                 "assignment's way."}),
    at<&S::replicas, &S::Replicas::on_exit>(
        {.key = "replicas.on_exit",
         .kind = Kind::choice,
         .default_text = "stop",
         .choices = exits,
         .text = "What becomes of containers when ringmaster ends in order. keep: they run on, and the next start "
                 "adopts them. A crash keeps them always. Processes always end."}),
    at<&S::replicas, &S::Replicas::static_list>(
        {.key = "replicas.static",
         .kind = Kind::replicas,
         .minimum = 0,
         .maximum = 1000,
         .placeholder = "name=NAME,address=ADDRESS[,weight=N]",
         .text = "The replicas of the static runtime: in the file one table [[replicas.static]] for each."}),

    at<&S::docker, &S::Docker::engine>(
        {.key = "docker.engine",
         .kind = Kind::text,
         .default_text = "unix:/var/run/docker.sock",
         .accepts = is_replica_address,
         .form = engine_form,
         .placeholder = "ADDRESS",
         .text = "Where the engine's API is. Whoever may use it is root on that machine: give it to nobody else."}),
    at<&S::docker, &S::Docker::instance>(
        {.key = "docker.instance",
         .kind = Kind::text,
         .default_text = "ringmaster",
         .accepts = is_dns_label,
         .form = "a name of 1 to 63 letters, digits and inner hyphens",
         .placeholder = "NAME",
         .text = "By this label a ringmaster knows its own containers again. Two on one engine need two names."}),
    at<&S::docker, &S::Docker::image>(
        {.key = "docker.image",
         .kind = Kind::text,
         .default_text = "ringmaster-replica",
         .accepts = is_image,
         .form = "an image's name such as \"ringmaster-replica\" or \"shop/web:1.2\"",
         .placeholder = "IMAGE",
         .text = "What a replica is made from. It must be there: nothing is pulled."}),
    at<&S::docker, &S::Docker::command>({.key = "docker.command",
                                         .kind = Kind::command,
                                         .minimum = 0,
                                         .maximum = 256,
                                         .accepts = is_argument,
                                         .form = "arguments",
                                         .placeholder = "ARGUMENT",
                                         .text = "In place of the image's own command."}),
    at<&S::docker, &S::Docker::environment>(
        {.key = "docker.environment",
         .kind = Kind::list,
         .minimum = 0,
         .maximum = 256,
         .accepts = is_assignment,
         .form = assignment_form,
         .placeholder = "NAME=VALUE",
         .text = "Added to the image's environment. SERVER_ID and PORT are set besides."}),
    at<&S::docker, &S::Docker::labels>({.key = "docker.labels",
                                        .kind = Kind::list,
                                        .minimum = 0,
                                        .maximum = 256,
                                        .accepts = is_assignment,
                                        .form = assignment_form,
                                        .placeholder = "NAME=VALUE",
                                        .text = "Labels besides ringmaster's own."}),
    at<&S::docker, &S::Docker::network>(
        {.key = "docker.network",
         .kind = Kind::text,
         .default_text = "net1",
         .accepts = is_docker_name,
         .form = "a network's name such as \"net1\"",
         .placeholder = "NETWORK",
         .text = "The network that the containers join, where each is known by its replica's name. It must be there: "
                 "docker network create net1."}),
    at<&S::docker, &S::Docker::reach>(
        {.key = "docker.reach",
         .kind = Kind::choice,
         .default_text = "auto",
         .choices = reaches,
         .text = "network: by their addresses on the network, which also works on the engine's own Linux host and is "
                 "the faster one. published: by ports of 127.0.0.1, which serve nobody while the engine is "
                 "stopped, with live-restore or not. auto: network where ringmaster is itself a container on that "
                 "network, or has the network's bridge for an interface; else published."}),
    at<&S::docker, &S::Docker::port>({.key = "docker.port",
                                      .kind = Kind::integer,
                                      .default_text = "5000",
                                      .minimum = 1,
                                      .maximum = 65535,
                                      .unit = "port",
                                      .text = "Where a replica listens in its container."}),
    at<&S::docker, &S::Docker::memory>({.key = "docker.memory",
                                        .kind = Kind::bytes,
                                        .default_text = "0",
                                        .minimum = 0,
                                        .maximum = int64_t{1} << 50,
                                        .text = "The most memory of one container. 0: no limit."}),
    at<&S::docker, &S::Docker::cpu_thousandths>({.key = "docker.cpu_thousandths",
                                                 .kind = Kind::integer,
                                                 .default_text = "0",
                                                 .minimum = 0,
                                                 .maximum = 1'000'000,
                                                 .unit = "thousandths of a CPU",
                                                 .text = "The most CPU time of one container. 0: no limit."}),
    at<&S::docker, &S::Docker::pids>({.key = "docker.pids",
                                      .kind = Kind::integer,
                                      .default_text = "512",
                                      .minimum = 0,
                                      .maximum = 4'194'304,
                                      .unit = "processes",
                                      .text = "The most processes and threads of one container. 0: no limit."}),
    at<&S::docker, &S::Docker::read_only>({.key = "docker.read_only",
                                           .kind = Kind::boolean,
                                           .default_text = "true",
                                           .text = "Nothing in the container's root can be written."}),
    at<&S::docker, &S::Docker::seccomp_file>(
        {.key = "docker.seccomp_file",
         .kind = Kind::text,
         .default_text = "",
         .accepts = is_path_or_empty,
         .form = file_form,
         .placeholder = "FILE",
         .text = "The seccomp profile of the containers; ringmaster-replica needs docker/seccomp-io_uring.json on "
                 "engines that refuse io_uring. Empty: the engine's own. Podman reads the file itself, under the "
                 "same path."}),
    at<&S::docker, &S::Docker::extra_file>(
        {.key = "docker.extra_file",
         .kind = Kind::text,
         .default_text = "",
         .accepts = is_path_or_empty,
         .form = file_form,
         .placeholder = "FILE",
         .text = "A JSON object that is merged (RFC 7396) into what the engine is asked to create: volumes, users, "
                 "capabilities, whatever the Engine API knows. Names, labels and ports stay ringmaster's."}),

    at<&S::heartbeat, &S::Heartbeat::path>({.key = "heartbeat.path",
                                            .kind = Kind::text,
                                            .default_text = "/heartbeat",
                                            .accepts = is_request_path,
                                            .form = "a path such as \"/heartbeat\"",
                                            .placeholder = "PATH",
                                            .text = "What is asked for, with GET; an answer of 2xx is health."}),
    at<&S::heartbeat, &S::Heartbeat::interval>({.key = "heartbeat.interval",
                                                .kind = Kind::duration,
                                                .default_text = "500ms",
                                                .minimum = 10,
                                                .maximum = hour_ms,
                                                .text = "From one beat to the next."}),
    at<&S::heartbeat, &S::Heartbeat::timeout>(
        {.key = "heartbeat.timeout",
         .kind = Kind::duration,
         .default_text = "500ms",
         .minimum = 1,
         .maximum = hour_ms,
         .text = "How long a replica may take to answer a beat, from the connect on."}),
    at<&S::heartbeat, &S::Heartbeat::fall>({.key = "heartbeat.fall",
                                            .kind = Kind::integer,
                                            .default_text = "2",
                                            .minimum = 1,
                                            .maximum = 100,
                                            .unit = "beats",
                                            .text = "Missed beats in a row after which a replica is failing. "
                                                    "Where they go unanswered, the requests that wait for its "
                                                    "answers are given to others, as far as they may be tried "
                                                    "again (see [retry])."}),
    at<&S::heartbeat, &S::Heartbeat::rise>({.key = "heartbeat.rise",
                                            .kind = Kind::integer,
                                            .default_text = "1",
                                            .minimum = 1,
                                            .maximum = 100,
                                            .unit = "beats",
                                            .text = "Answered beats in a row after which a replica is ready."}),

    at<&S::timeouts, &S::Timeouts::connect>({.key = "timeouts.connect",
                                             .kind = Kind::duration,
                                             .default_text = "1s",
                                             .minimum = 1,
                                             .maximum = day_ms,
                                             .text = "How long a replica may take to accept a connection."}),
    at<&S::timeouts, &S::Timeouts::request_header>(
        {.key = "timeouts.request_header",
         .kind = Kind::duration,
         .default_text = "10s",
         .minimum = 1,
         .maximum = day_ms,
         .text = "How long a client may take for a request's head, from its first byte on."}),
    at<&S::timeouts, &S::Timeouts::request_body_idle>({.key = "timeouts.request_body_idle",
                                                       .kind = Kind::duration,
                                                       .default_text = "30s",
                                                       .minimum = 1,
                                                       .maximum = day_ms,
                                                       .text = "How long a request's body may stand still."}),
    at<&S::timeouts, &S::Timeouts::response>(
        {.key = "timeouts.response",
         .kind = Kind::duration,
         .default_text = "30s",
         .minimum = 1,
         .maximum = day_ms,
         .text = "How long a replica may take to the first byte of its answer; anew for each try and after each "
                 "interim answer."}),
    at<&S::timeouts, &S::Timeouts::response_idle>({.key = "timeouts.response_idle",
                                                   .kind = Kind::duration,
                                                   .default_text = "30s",
                                                   .minimum = 1,
                                                   .maximum = day_ms,
                                                   .text = "How long an answer may stand still."}),
    at<&S::timeouts, &S::Timeouts::keep_alive>(
        {.key = "timeouts.keep_alive",
         .kind = Kind::duration,
         .default_text = "60s",
         .minimum = 1,
         .maximum = day_ms,
         .text = "How long a client's connection is kept between two requests."}),
    at<&S::timeouts, &S::Timeouts::upstream_keep_alive>({.key = "timeouts.upstream_keep_alive",
                                                         .kind = Kind::duration,
                                                         .default_text = "60s",
                                                         .minimum = 1,
                                                         .maximum = day_ms,
                                                         .text = "How long an idle connection to a replica is kept."}),
    at<&S::timeouts, &S::Timeouts::tunnel_idle>(
        {.key = "timeouts.tunnel_idle",
         .kind = Kind::duration,
         .default_text = "1h",
         .minimum = 1,
         .maximum = 30 * day_ms,
         .text = "How long a WebSocket tunnel may stand still in both directions."}),
    at<&S::timeouts, &S::Timeouts::drain>(
        {.key = "timeouts.drain",
         .kind = Kind::duration,
         .default_text = "30s",
         .minimum = 0,
         .maximum = day_ms,
         .text = "How long exchanges may take to finish when a replica leaves or ringmaster ends. 0: not at all."}),

    at<&S::limits, &S::Limits::request_line_bytes>({.key = "limits.request_line_bytes",
                                                    .kind = Kind::bytes,
                                                    .default_text = "8192",
                                                    .minimum = 16,
                                                    .maximum = request_line_bytes_max,
                                                    .zero_is_maximum = true,
                                                    .text = "The longest request line; 414 past it."}),
    at<&S::limits, &S::Limits::header_bytes>(
        {.key = "limits.header_bytes",
         .kind = Kind::bytes,
         .default_text = "32768",
         .minimum = 64,
         .maximum = header_bytes_max,
         .zero_is_maximum = true,
         .text = "All header lines of a message together; 431 past it, 502 in an answer."}),
    at<&S::limits, &S::Limits::header_count>({.key = "limits.header_count",
                                              .kind = Kind::integer,
                                              .default_text = "128",
                                              .minimum = 1,
                                              .maximum = header_count_max,
                                              .unit = "fields",
                                              .zero_is_maximum = true,
                                              .text = "Header fields of a message; 431 past it, 502 in an answer."}),
    at<&S::limits, &S::Limits::body_bytes>({.key = "limits.body_bytes",
                                            .kind = Kind::bytes,
                                            .default_text = "0",
                                            .minimum = 0,
                                            .maximum = std::numeric_limits<int64_t>::max(),
                                            .text = "The longest request body; 413 past it. 0: no limit."}),
    at<&S::limits, &S::Limits::connections>(
        {.key = "limits.connections",
         .kind = Kind::integer,
         .default_text = "0",
         .minimum = 0,
         .maximum = connections_max,
         .unit = "connections",
         .text = "Clients' connections at a time. 0: as many as the limit on descriptors allows."}),
    at<&S::limits, &S::Limits::connections_per_replica>({.key = "limits.connections_per_replica",
                                                         .kind = Kind::integer,
                                                         .default_text = "0",
                                                         .minimum = 0,
                                                         .maximum = connections_max,
                                                         .unit = "connections",
                                                         .text = "Connections to one replica at a time, shared out "
                                                                 "among the workers. 0: no limit."}),
    at<&S::limits, &S::Limits::queue_length>(
        {.key = "limits.queue_length",
         .kind = Kind::integer,
         .default_text = "128",
         .minimum = 0,
         .maximum = connections_max,
         .unit = "requests",
         .text = "Requests that may wait for a replica that has as many connections as it may have, shared out among "
                 "the workers; 503 with Retry-After past it. 0: none waits."}),
    at<&S::limits, &S::Limits::queue_timeout>(
        {.key = "limits.queue_timeout",
         .kind = Kind::duration,
         .default_text = "1s",
         .minimum = 1,
         .maximum = hour_ms,
         .text = "How long a request may wait there; 503 with Retry-After past it."}),
    at<&S::limits, &S::Limits::pipeline_depth>(
        {.key = "limits.pipeline_depth",
         .kind = Kind::integer,
         .default_text = "32",
         .minimum = 1,
         .maximum = 1024,
         .unit = "arrivals",
         .zero_is_maximum = true,
         .text = "Arrivals of pipelined requests that may wait in memory while one of the connection's requests is "
                 "served; what is past it is left in the socket."}),

    at<&S::ejection, &S::Ejection::consecutive_failures>(
        {.key = "ejection.consecutive_failures",
         .kind = Kind::integer,
         .default_text = "3",
         .minimum = 0,
         .maximum = 1000,
         .unit = "requests",
         .text = "Requests in a row that a replica has refused, broken off or left unanswered, as one worker counts "
                 "them. 0: failures eject nobody, and heartbeats alone decide."}),
    at<&S::ejection, &S::Ejection::fail_open>(
        {.key = "ejection.fail_open",
         .kind = Kind::boolean,
         .default_text = "true",
         .text = "The last replica is never ejected, and where all are out of sight they are asked all the same. "
                 "false: such requests are answered with 503."}),

    at<&S::retry, &S::Retry::budget_percent>(
        {.key = "retry.budget_percent",
         .kind = Kind::percentage,
         .default_text = "20",
         .minimum = 0,
         .maximum = 100,
         .text = "Requests that may be tried again, as a share of all requests, so that retries never become the "
                 "load. Each worker has 16 more to begin with. 0: none is tried again."}),
    at<&S::retry, &S::Retry::attempts>(
        {.key = "retry.attempts",
         .kind = Kind::integer,
         .default_text = "2",
         .minimum = 0,
         .maximum = 8,
         .unit = "tries",
         .text = "Further tries of a request after the first, each on another replica."}),

    at<&S::admin, &S::Admin::listen>({.key = "admin.listen",
                                      .kind = Kind::text,
                                      .default_text = "127.0.0.1:5001",
                                      .accepts = is_admin_address,
                                      .form = admin_form,
                                      .placeholder = "ADDRESS",
                                      .text = "Where the admin API is served."}),
    at<&S::admin, &S::Admin::token_file>(
        {.key = "admin.token_file",
         .kind = Kind::text,
         .default_text = "",
         .accepts = is_path_or_empty,
         .form = "the path of a file",
         .placeholder = "FILE",
         .text = "A file whose first line is the token that the admin API asks for. Needed unless admin.listen is "
                 "loopback or a unix socket."}),

    at<&S::log, &S::Log::level>({.key = "log.level",
                                 .kind = Kind::choice,
                                 .default_text = "info",
                                 .choices = log_levels,
                                 .text = "The least important events that are written."}),
    at<&S::log, &S::Log::access>(
        {.key = "log.access",
         .kind = Kind::text,
         .default_text = "",
         .accepts = is_path_or_empty,
         .form = "the path of a file, or \"stdout\"",
         .placeholder = "FILE",
         .text = "Where a line for each request is written: a file, or \"stdout\"; empty: nowhere. SIGHUP and SIGUSR1 "
                 "open the file anew. A full disk or a slow reader costs lines, which are counted, never requests."}),
    at<&S::log, &S::Log::access_format>(
        {.key = "log.access_format",
         .kind = Kind::choice,
         .default_text = "combined",
         .choices = access_formats,
         .text = "combined: as nginx and Apache write it. json: an object for each line, with times, replica, tries "
                 "and cause."}),
};

constexpr ReplicaColumn columns[] = {
    column<&StaticReplica::name>(
        {.key = "name", .kind = Kind::text, .accepts = is_replica_name,
         .form = "a name of 1 to 63 letters, digits and '_', '.' or '-', a letter or digit first",
         .placeholder = "NAME", .required = true,
         .text = "The replica's name, once in the list."}),
    column<&StaticReplica::address>(
        {.key = "address", .kind = Kind::text, .accepts = is_replica_address, .form = replica_form,
         .placeholder = "ADDRESS", .required = true, .text = "Where it listens."}),
    column<&StaticReplica::weight>(
        {.key = "weight", .kind = Kind::integer, .default_text = "1", .minimum = 1, .maximum = 65535,
         .text = "Its share of the slots, beside the other weights."}),
};

// --- what must hold of the table -----------------------------------------------------------------------------------

// Enum fields are stored by the place of their name among the choices.
static_assert(runtimes[static_cast<size_t>(Runtime::process)] == "process");
static_assert(runtimes[static_cast<size_t>(Runtime::static_list)] == "static");
static_assert(runtimes[static_cast<size_t>(Runtime::docker)] == "docker");
static_assert(exits[static_cast<size_t>(OnExit::stop)] == "stop" && exits[static_cast<size_t>(OnExit::keep)] == "keep");
static_assert(reaches[static_cast<size_t>(Reach::automatic)] == "auto");
static_assert(reaches[static_cast<size_t>(Reach::network)] == "network");
static_assert(reaches[static_cast<size_t>(Reach::published)] == "published");
static_assert(respawn_names[static_cast<size_t>(RespawnName::same)] == "same");
static_assert(respawn_names[static_cast<size_t>(RespawnName::random)] == "random");
static_assert(std::size(affinities) == 3);   // balance::affinity() has the same names; the tests compare
static_assert(access_formats[static_cast<size_t>(AccessFormat::json)] == "json" && std::size(access_formats) == 2);
static_assert(log_levels[static_cast<size_t>(LogLevel::error)] == "error" && std::size(log_levels) == 4);

constexpr bool bounds_hold(const Shape& shape) {
  if (shape.kind == Kind::integer || shape.kind == Kind::bytes || shape.kind == Kind::percentage ||
      shape.kind == Kind::duration || shape.kind == Kind::factor) {
    const auto value = amount(shape.kind, shape.default_text);
    return value && *value >= shape.minimum && *value <= shape.maximum && (!shape.zero_is_maximum || shape.minimum > 0);
  }
  if (shape.kind == Kind::choice) {
    return std::find(shape.choices.begin(), shape.choices.end(), shape.default_text) != shape.choices.end();
  }
  const auto items = static_cast<int64_t>(shape.default_list.size());
  return shape.minimum >= 0 && items >= shape.minimum && items <= shape.maximum;
}

constexpr bool well_formed(const Shape& shape) {
  const bool named = is_list(shape.kind) || shape.kind == Kind::text || shape.kind == Kind::replicas;
  if (named && shape.placeholder.empty()) return false;
  if ((is_list(shape.kind) || shape.kind == Kind::text) && (shape.accepts == nullptr || shape.form.empty()))
    return false;
  return bounds_hold(shape) && shape.text.ends_with('.');
}

// Help and manual print section by section, and read_file looks a key up by its name: so the sections' order is the
// table's, each section is one run, and no key stands twice.
constexpr bool table_holds() {
  size_t section = 0;
  for (size_t i = 0; i < std::size(rows); ++i) {
    const std::string_view key = rows[i].shape.key;
    while (section < std::size(section_rows) && section_rows[section].name != section_of(key)) ++section;
    if (section == std::size(section_rows) || !well_formed(rows[i].shape)) return false;
    for (size_t j = 0; j < i; ++j) {
      if (rows[j].shape.key == key) return false;
    }
  }
  return true;
}
static_assert(table_holds());
static_assert(well_formed(columns[0].shape) && well_formed(columns[1].shape) && well_formed(columns[2].shape));

}  // namespace

std::span<const Section> sections() { return section_rows; }
std::span<const Setting> settings_table() { return rows; }
std::span<const ReplicaColumn> replica_columns() { return columns; }

std::optional<size_t> find_setting(std::string_view key) {
  for (size_t i = 0; i < std::size(rows); ++i) {
    if (rows[i].shape.key == key) return i;
  }
  return std::nullopt;
}

}  // namespace ringmaster::config
