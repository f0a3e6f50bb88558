#include "admin/docker_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ringmaster::admin {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string id(64, 'a');

json labels(const std::string& name = "Server1", const std::string& epoch = "3") {
  return {{"ringmaster.instance", "shop"}, {"ringmaster.name", name}, {"ringmaster.number", "1"},
          {"ringmaster.weight", "2"}, {"ringmaster.epoch", epoch}};
}

json inspected() {
  json made;
  made["Id"] = id;
  made["Name"] = "/Server1.3";
  made["State"] = {{"Running", true}, {"ExitCode", 0}};
  made["Config"]["Labels"] = labels();
  made["NetworkSettings"]["Networks"]["net1"]["IPAddress"] = "172.18.0.2";
  made["NetworkSettings"]["Ports"]["5000/tcp"] = {{{"HostIp", "127.0.0.1"}, {"HostPort", "49153"}}};
  return made;
}

ContainerFacts facts_of(const json& made) { return read_container(made.dump(), "net1", 5000).value(); }

// --- the version ---------------------------------------------------------------------------------------------------

std::string agreed(const std::string& oldest, const std::string& newest) {
  const json about = {{"Version", "x"}, {"ApiVersion", newest}, {"MinAPIVersion", oldest}};
  const auto version = agree(read_about(about.dump()).value());
  return version ? version->text() : version.error();
}

TEST(DockerVersion, IsTheNewestThatBothKnow) {
  EXPECT_EQ(agreed("1.12", "1.41"), "1.41") << "Docker 20.10, Podman";
  EXPECT_EQ(agreed("1.24", "1.47"), "1.47");
  EXPECT_EQ(agreed("1.44", "1.99"), api_newest.text());
}

TEST(DockerVersion, TellsPodmanFromDocker) {
  json about = {{"Version", "5.4.2"}, {"ApiVersion", "1.41"}, {"Components", {{{"Name", "Podman Engine"}}}}};
  EXPECT_TRUE(read_about(about.dump())->podman);
  EXPECT_EQ(read_about(about.dump())->engine, "5.4.2 (Podman)");
  about["Components"] = {{{"Name", "Engine"}}, 7};
  EXPECT_FALSE(read_about(about.dump())->podman);
  about["Components"] = "Podman Engine";
  EXPECT_FALSE(read_about(about.dump())->podman);
}

TEST(DockerVersion, IsRefusedWhereThereIsNoneInCommon) {
  EXPECT_THAT(agreed("1.12", "1.40"), HasSubstr("too old"));
  EXPECT_THAT(agreed("1.60", "2.0"), HasSubstr("too new"));
  EXPECT_FALSE(read_about("{}"));
  EXPECT_FALSE(read_about("[1,"));
}

// --- what is asked for -----------------------------------------------------------------------------------------------

class DockerBody : public testing::Test {
 protected:
  DockerBody() {
    settings_.instance = "shop";
    settings_.image = "web:1";
    settings_.network = "net1";
    order_.name = "Server1";
    order_.number = 7;
    order_.epoch = 3;
  }
  json body(std::string_view extra = {}, bool publish = false, std::string_view seccomp = {}) const {
    return json::parse(create_body({settings_, order_, publish, seccomp, extra}));
  }
  config::Settings::Docker settings_;
  StartOrder order_;
};

TEST_F(DockerBody, IsALockedUpContainerKnownByItsName) {
  settings_.environment = {"A=b=c"};
  settings_.labels = {"team=x=y"};
  settings_.memory = 1 << 26;
  settings_.cpu_thousandths = 500;
  settings_.pids = 64;
  const json made = body();
  EXPECT_EQ(made["Image"], "web:1");
  EXPECT_EQ(made["Env"], json({"A=b=c", "SERVER_ID=Server1", "PORT=5000"}));
  EXPECT_EQ(made["Labels"]["team"], "x=y");
  EXPECT_EQ(made["Labels"]["ringmaster.epoch"], "3");
  EXPECT_EQ(made["Labels"]["ringmaster.image"], "web:1");
  EXPECT_EQ(made["NetworkingConfig"]["EndpointsConfig"]["net1"]["Aliases"], json({"Server1"}));
  const json& host = made["HostConfig"];
  EXPECT_EQ(host["NetworkMode"], "net1");
  EXPECT_EQ(host["RestartPolicy"]["Name"], "no");
  EXPECT_EQ(host["CapDrop"], json({"ALL"}));
  EXPECT_EQ(host["SecurityOpt"], json({"no-new-privileges"}));
  EXPECT_TRUE(host["ReadonlyRootfs"]);
  EXPECT_EQ(host["Memory"], 1 << 26);
  EXPECT_EQ(host["NanoCpus"], 500'000'000);
  EXPECT_EQ(host["PidsLimit"], 64);
  EXPECT_FALSE(host.contains("PortBindings"));
  EXPECT_FALSE(made.contains("Cmd"));
}

TEST_F(DockerBody, PublishesOnLoopbackOnly) {
  const json made = body({}, true);
  EXPECT_EQ(made["HostConfig"]["PortBindings"]["5000/tcp"][0]["HostIp"], "127.0.0.1");
  EXPECT_EQ(made["HostConfig"]["PortBindings"]["5000/tcp"][0]["HostPort"], "");
  EXPECT_TRUE(made["ExposedPorts"].contains("5000/tcp"));
}

TEST_F(DockerBody, TakesTheOrdersImageAndTheProfile) {
  order_.image = "web:2";
  const json made = body({}, false, "{\"defaultAction\":1}");
  EXPECT_EQ(made["Image"], "web:2");
  EXPECT_EQ(made["Labels"]["ringmaster.image"], "web:2");
  EXPECT_EQ(made["Labels"]["ringmaster.template_image"], "web:1");
  EXPECT_EQ(made["HostConfig"]["SecurityOpt"][1], "seccomp={\"defaultAction\":1}");
}

TEST(DockerImage, OfARollStaysUntilTheSettingsChange) {
  Marks marks;
  marks.image = "web:2";
  marks.template_image = "web:1";
  EXPECT_EQ(next_image(marks, "web:1"), "web:2") << "rolled, and the settings are what they were";
  EXPECT_EQ(next_image(marks, "web:2"), "") << "written into the settings since";
  EXPECT_EQ(next_image(marks, "web:3"), "") << "the settings have spoken last";
  marks.image = "web:1";
  EXPECT_EQ(next_image(marks, "web:1"), "") << "never rolled";
  EXPECT_EQ(next_image(marks, "web:2"), "") << "never rolled";
  EXPECT_EQ(next_image({}, "web:1"), "") << "not known";
}

TEST_F(DockerBody, MergesWhatTheOperatorAddsBelowWhatIsOurs) {
  const json made = body(R"({"User":"7","Image":"x","Labels":{"a":"b","ringmaster.instance":"other"},
      "NetworkingConfig":5,"HostConfig":{"NetworkMode":"host","CapDrop":null,"Tmpfs":{"/tmp":""},"AutoRemove":true}})");
  EXPECT_EQ(made["User"], "7");
  EXPECT_EQ(made["Image"], "web:1");
  EXPECT_EQ(made["HostConfig"]["Tmpfs"], json({{"/tmp", ""}}));
  EXPECT_FALSE(made["HostConfig"].contains("CapDrop"));
  EXPECT_EQ(made["Labels"]["a"], "b");
  EXPECT_EQ(made["Labels"]["ringmaster.instance"], "shop");
  EXPECT_EQ(made["HostConfig"]["NetworkMode"], "net1");
  EXPECT_FALSE(made["HostConfig"]["AutoRemove"]);
  EXPECT_EQ(made["NetworkingConfig"]["EndpointsConfig"]["net1"]["Aliases"][0], "Server1");
}

TEST_F(DockerBody, StandsWhateverTheOperatorAdds) {
  for (const char* extra : {R"({"Env":1,"Labels":[],"HostConfig":null})", R"({"HostConfig":"x","ExposedPorts":3})"}) {
    const json made = body(extra, true);
    EXPECT_EQ(made["Labels"]["ringmaster.name"], "Server1") << extra;
    EXPECT_EQ(made["HostConfig"]["NetworkMode"], "net1") << extra;
    EXPECT_EQ(made["Env"].back(), "PORT=5000") << extra;
  }
}

TEST(DockerQuery, IsPercentEncoded) {
  EXPECT_EQ(percent_encoded("a-1_.~ {\"/}"), "a-1_.~%20%7B%22%2F%7D");
  EXPECT_EQ(list_query("shop"), "?all=1&filters=%7B%22label%22%3A%5B%22ringmaster.instance%3Dshop%22%5D%7D");
}

// --- what is answered ----------------------------------------------------------------------------------------------

TEST(DockerContainer, IsReadWithItsMarksAndAddresses) {
  const ContainerFacts facts = facts_of(inspected());
  EXPECT_EQ(facts.id, id);
  EXPECT_EQ(facts.name, "Server1.3");
  ASSERT_TRUE(facts.marks);
  EXPECT_EQ(*facts.marks, (Marks{"shop", "Server1", 1, 2, 3, "", ""}));
  EXPECT_TRUE(facts.running);
  EXPECT_EQ(facts.address, "172.18.0.2");
  EXPECT_EQ(facts.published_port, 49153);
  EXPECT_EQ(container_name("Server1", 3), "Server1.3");
}

TEST(DockerContainer, SaysHowItEnded) {
  const auto ending = [](const json& state) {
    json made = inspected();
    made["State"] = state;
    return facts_of(made).ending;
  };
  EXPECT_EQ(ending({{"Running", false}, {"ExitCode", 3}}), "exited with status 3");
  EXPECT_EQ(ending({{"Running", false}, {"ExitCode", 137}}), "was killed by signal 9");
  EXPECT_EQ(ending({{"Running", false}, {"ExitCode", 137}, {"OOMKilled", true}}), "was out of memory");
  EXPECT_EQ(ending({{"ExitCode", 127}, {"Error", "no such file"}}), "exited with status 127 (no such file)");
}

TEST(DockerContainer, OfSomebodyElseHasNoMarks) {
  json made = inspected();
  made["Config"]["Labels"] = nullptr;
  EXPECT_FALSE(facts_of(made).marks);
  made["Config"]["Labels"] = labels("a/../b");
  EXPECT_FALSE(facts_of(made).marks) << "not a name";
  for (const char* epoch : {"0", "-1", "x", "99999999999"}) {
    made["Config"]["Labels"] = labels("Server1", epoch);
    EXPECT_FALSE(facts_of(made).marks) << epoch;
  }
}

TEST(DockerContainer, IsRefusedWhereItsIdCouldNotStandInAPath) {
  for (const char* bad : {"", "../x", "ab?c", "zz"}) {
    json made = inspected();
    made["Id"] = bad;
    EXPECT_FALSE(read_container(made.dump(), "net1", 5000)) << bad;
    EXPECT_FALSE(read_id(json({{"Id", bad}}).dump())) << bad;
    EXPECT_FALSE(read_containers(json::array({made}).dump())) << bad;
  }
}

TEST(DockerNetwork, IsReadWithItsBridge) {
  json made = {{"Id", "0123456789abcdef"}, {"Driver", "bridge"}, {"Options", {{"x", "y"}}},
               {"IPAM", {{"Config", {{{"Gateway", "172.18.0.1"}}, {{"Gateway", "10.0.0.1/24"}}, 7}}}}};
  EXPECT_EQ(read_network(made.dump())->bridge, "br-0123456789ab");
  EXPECT_THAT(read_network(made.dump())->gateways, ElementsAre("172.18.0.1", "10.0.0.1"));
  made["Options"]["com.docker.network.bridge.name"] = "docker0";
  EXPECT_EQ(read_network(made.dump())->bridge, "docker0");
  made["Driver"] = "overlay";
  EXPECT_EQ(read_network(made.dump())->bridge, "");
  EXPECT_FALSE(read_network("{}"));
  EXPECT_FALSE(read_network(R"({"Id":"../x"})"));
}

TEST(DockerLastWords, AreOneLineOfTheirEnd) {
  const std::string framed("\2\0\0\0\0\0\0\6first\n\1\0\0\0\0\0\0\7second\n", 8 + 6 + 8 + 7);
  EXPECT_EQ(read_last_words(framed), "first | second");
  EXPECT_EQ(read_last_words("a terminal's\r\nlines\r\n"), "a terminal's | lines");
  EXPECT_EQ(read_last_words("\x1b[2Jred\x7f"), "?[2Jred?");
  EXPECT_EQ(read_last_words(""), "");
  EXPECT_EQ(read_last_words(framed.substr(0, 11)), "fir") << "cut short";
  const std::string greedy = std::string("\1\0\0\0\xff\xff\xff\xff", 8) + "x";
  EXPECT_EQ(read_last_words(greedy), "x");
  EXPECT_EQ(read_last_words(std::string(50'000, 'x') + "end").size(), last_words_bytes);
}

TEST(DockerRefusal, NamesCauseAndRemedy) {
  EXPECT_EQ(read_refusal(404, R"({"message":"No such image: x:latest"})"),
            "the engine says 404: No such image: x:latest (build or pull it, or name another in docker.image)");
  EXPECT_THAT(read_refusal(404, R"({"message":"network net1 not found"})"), HasSubstr("docker network create"));
  EXPECT_THAT(read_refusal(404, R"({"message":"no such image: docker.io/library/x: image not known"})"),
              HasSubstr("docker.image")) << "Podman";
  EXPECT_THAT(read_refusal(500, R"({"message":"unable to find network with name or ID n: network not found"})"),
              HasSubstr("docker network create")) << "Podman";
  // So does Docker 28.
  EXPECT_THAT(read_refusal(404, R"({"message":"failed to set up container networking: network n not found"})"),
              HasSubstr("docker network create"));
  EXPECT_EQ(read_refusal(502, "Bad gateway\n"), "the engine says 502: Bad gateway");
  EXPECT_EQ(read_refusal(500, R"({"message":7})"), "the engine says 500: {\"message\":7}");
}

TEST(DockerRefusal, StaysASentenceWhateverItsLength) {
  EXPECT_LT(read_refusal(500, json({{"message", std::string(50'000, 'x')}}).dump()).size(), 500u);
  EXPECT_LT(read_refusal(500, std::string(50'000, 'x')).size(), 500u);
}

// --- events --------------------------------------------------------------------------------------------------------

TEST(DockerEvents, AreReadForContainersAndNetworks) {
  const auto die = read_event(
      R"({"Type":"container","Action":"die","Actor":{"ID":"ab","Attributes":{"exitCode":"3"}}})");
  ASSERT_TRUE(die);
  EXPECT_EQ(die->action, "die");
  EXPECT_EQ(die->container, "ab");
  EXPECT_EQ(die->exit_code, 3);
  const auto kill = read_event(R"({"Type":"container","Action":"kill","id":"ab","Actor":{"Attributes":{"signal":9}}})");
  ASSERT_TRUE(kill);
  EXPECT_EQ(kill->signal, 9);
  const auto left = read_event(R"({"Type":"network","Action":"disconnect","Actor":{"ID":"n","Attributes":
      {"container":"ab","name":"net1"}}})");
  ASSERT_TRUE(left);
  EXPECT_EQ(left->container, "ab");
  EXPECT_EQ(left->network, "net1");
  const auto podman = read_event(R"({"Type":"network","Action":"disconnect","Actor":{"ID":"ab","Attributes":
      {"name":"Server1.1","network":"net1"}}})");
  ASSERT_TRUE(podman);
  EXPECT_EQ(podman->container, "ab");
  EXPECT_EQ(podman->network, "net1");
  EXPECT_FALSE(read_event(R"({"Type":"image","Action":"pull","Actor":{"ID":"x"}})"));
  EXPECT_FALSE(read_event("null"));
}

TEST(DockerLines, AreWholeHoweverTheyCome) {
  LineReader lines;
  lines.add("{\"a\":");
  EXPECT_FALSE(lines.next());
  lines.add("1}\r\n\n{\"b\"");
  EXPECT_EQ(lines.next(), "{\"a\":1}");
  EXPECT_FALSE(lines.next());
  lines.add(":2}\n{");
  EXPECT_EQ(lines.next(), "{\"b\":2}");
  EXPECT_FALSE(lines.next());
}

TEST(DockerLines, PassOverWhatIsTooLong) {
  LineReader lines;
  const std::string piece(LineReader::line_bytes_max / 2 + 1, 'x');
  for (int i = 0; i < 5; ++i) {
    lines.add(piece);
    EXPECT_FALSE(lines.next());
  }
  lines.add("x\nshort\n" + piece + piece + "\nafter\n");
  EXPECT_EQ(lines.next(), "short");
  EXPECT_EQ(lines.next(), "after");
}

// --- ourselves -----------------------------------------------------------------------------------------------------

TEST(OwnContainer, IsWhereTheHostNameIsMountedFrom) {
  const std::string root = "1 2 254:0 /var/lib/docker/containers/" + id;
  EXPECT_EQ(own_container("9 9 0:1 / / rw\n" + root + "/hostname /etc/hostname rw - ext4 /dev/vda rw\n"), id);
  EXPECT_EQ(own_container("1 2 0:3 /storage/overlay-containers/" + id + "/userdata/hostname /etc/hostname rw\n"), id);
  EXPECT_FALSE(own_container(root + "/mounts/shm /var/lib/x/shm rw - tmpfs shm rw\n")) << "seen from the host";
  EXPECT_FALSE(own_container("1 2 254:0 /containers/short/hostname /etc/hostname rw\n"));
  EXPECT_FALSE(own_container(""));
}

}  // namespace
}  // namespace ringmaster::admin
