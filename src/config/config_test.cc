#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/str.h"
#include "config/schema.h"
#include "config/suggest.h"
#include "config/units.h"

namespace tessera {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

enum class Mode { kAuto, kFast };

struct Upstream {
  std::string url;
  std::optional<std::uint32_t> retries;
  static void Describe(Fields<Upstream>& f) {
    f.Required("url", &Upstream::url, "Where it answers.", 1, 100).Example("http://localhost:9000");
    f.Optional("retries", &Upstream::retries, "How often to try again.", 0, 5);
  }
};

struct Server {
  std::string model = "default";
  std::uint32_t texts_max = 64;
  std::uint16_t port = 8080;
  double share = 0.5;
  bool loud = false;
  seconds grace{30};
  Bytes body_max = 64_MiB;
  Mode mode = Mode::kAuto;
  Secret key;
  std::vector<std::string> names{"a", "b"};
  std::map<std::string, Upstream> upstreams;
  static void Describe(Fields<Server>& f) {
    f.Optional("model", &Server::model, "Name of the model.", 1, 20);
    f.Optional("texts_max", &Server::texts_max, "Most texts in one call.", 1u, 4096u);
    f.Optional("port", &Server::port, "Port.");
    f.Optional("share", &Server::share, "Share.", 0.0, 1.0).Live();
    f.Optional("loud", &Server::loud, "Loud.");
    f.Optional("grace", &Server::grace, "Time to drain.", seconds(1), seconds(600));
    f.Optional("body_max", &Server::body_max, "Largest body.", 1_KiB, 1_GiB);
    f.Choice("mode", &Server::mode, "Mode.", {{"auto", Mode::kAuto}, {"fast", Mode::kFast}});
    f.Optional("key", &Server::key, "Key.");
    f.Optional("names", &Server::names, "Names.", 0, 3);
    f.Optional("upstreams", &Server::upstreams, "Upstreams by name.", 0, 2);
    f.Check(&Server::Sane);
  }
  static Status Sane(const Server& s) {
    if (s.loud && s.mode == Mode::kFast)
      return absl::InvalidArgumentError("loud: cannot be combined with mode: fast");
    return absl::OkStatus();
  }
};

ConfigSchema Schema() {
  ConfigSchema schema;
  schema.Add<Server>("server", "The edge.");
  schema.Add<Server>("services.embeddings", "Vectors.");
  return schema;
}

std::string ErrorOf(std::string_view yaml) {
  const auto snapshot = Schema().Parse(yaml, "t.yaml");
  return snapshot.ok() ? "" : std::string(StdView(snapshot.status().message()));
}

TEST(ConfigTest, EmptyTextGivesTheDefaults) {
  const auto snapshot = Schema().Parse("", "t.yaml");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  const auto& server = snapshot->Get<Server>("services.embeddings");
  EXPECT_EQ(server.texts_max, 64u);
  EXPECT_EQ(server.body_max, 64_MiB);
  EXPECT_THAT(server.names, ElementsAre("a", "b"));
}

TEST(ConfigTest, ReadsEveryType) {
  ::setenv("TESSERA_TEST_KEY", "s3cret", 1);
  const auto snapshot = Schema().Parse(R"(
server:
  model: "12"
  texts_max: 4096
  port: 65535
  share: 1
  loud: true
  grace: 1m30s
  body_max: 1.5KiB
  mode: auto
  key: ${env:TESSERA_TEST_KEY}
  names: [x]
  upstreams:
    one: {url: u, retries: 2}
    two: &two {url: v}
services:
  embeddings:
    upstreams: {copy: *two}
)",
                                       "t.yaml");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  const auto& server = snapshot->Get<Server>("server");
  EXPECT_EQ(server.model, "12");
  EXPECT_EQ(server.texts_max, 4096u);
  EXPECT_EQ(server.port, 65535);
  EXPECT_EQ(server.share, 1.0);
  EXPECT_TRUE(server.loud);
  EXPECT_EQ(server.grace, seconds(90));
  EXPECT_EQ(server.body_max, Bytes{1536});
  EXPECT_EQ(server.key.Reveal(), "s3cret");
  EXPECT_THAT(server.names, ElementsAre("x"));
  EXPECT_EQ(server.upstreams.at("one").retries, 2u);
  EXPECT_FALSE(server.upstreams.at("two").retries.has_value());
  EXPECT_EQ(snapshot->Get<Server>("services.embeddings").upstreams.at("copy").url, "v");
}

TEST(ConfigTest, SaysEveryMistakeAtItsPlace) {
  EXPECT_EQ(ErrorOf(R"(server:
  modle: x
  texts_max: 100000
  port: 70000
  grace: soon
  mode: fsat
services:
  embedings: {}
  embeddings:
    texts_max: many
    share: 2.5
    loud: yes
    body_max: [1]
    names: [a, b, c, d]
    key: hunter2
    upstreams:
      one: {retries: 9}
)"),
            R"(t.yaml:2:3: server.modle: unknown key; did you mean "model"?
t.yaml:3:14: server.texts_max: 100000 is above 4096
t.yaml:4:9: server.port: 70000 is above 65535
t.yaml:5:10: server.grace: "soon" is not a duration; write for example 1s
t.yaml:6:9: server.mode: "fsat" is not one of auto, fast; did you mean "fast"?
t.yaml:8:3: services.embedings: unknown key; did you mean "embeddings"?
t.yaml:10:16: services.embeddings.texts_max: "many" is not a whole number; write for example 1
t.yaml:11:12: services.embeddings.share: 2.5 is above 1
t.yaml:12:11: services.embeddings.loud: "yes" is neither true nor false
t.yaml:13:15: services.embeddings.body_max: expected a size such as 1KiB; found a list
t.yaml:14:12: services.embeddings.names: has 4 items; at most 3
t.yaml:15:10: services.embeddings.key: a secret is given by reference: write ${file:/path/of/it} or ${env:NAME}
t.yaml:17:12: services.embeddings.upstreams.one.url: missing; write for example "url: http://localhost:9000"
t.yaml:17:22: services.embeddings.upstreams.one.retries: 9 is above 5)");
}

TEST(ConfigTest, SaysWhatIsUnknownWithoutANearWord) {
  EXPECT_EQ(ErrorOf("zzzzzz: 1\n"),
            "t.yaml:1:1: zzzzzz: unknown key; known here: server, services");
  EXPECT_THAT(ErrorOf("server: 3\n"),
              HasSubstr("t.yaml:1:9: server: expected a map of fields; found \"3\""));
  EXPECT_THAT(ErrorOf("services: [1]\n"), HasSubstr("t.yaml:1:11: services: expected a map of"));
  EXPECT_THAT(ErrorOf("server: {model: }\n"), HasSubstr("an empty text is written \"\""));
  EXPECT_THAT(ErrorOf("server: {texts_max: \"5\"}\n"), HasSubstr("without quotes"));
  EXPECT_THAT(ErrorOf("server: {texts_max: -1}\n"), HasSubstr("-1 is below 1"));
  EXPECT_THAT(ErrorOf("server: {model: \"\"}\n"), HasSubstr("server.model: must not be empty"));
}

TEST(ConfigTest, RulesOverSeveralFields) {
  EXPECT_EQ(ErrorOf("server:\n  loud: true\n  mode: fast\n"),
            "t.yaml:2:3: server: loud: cannot be combined with mode: fast");
}

TEST(ConfigTest, RefusesWhatIsNoPlainDocument) {
  EXPECT_THAT(ErrorOf("server: [\n"), HasSubstr("not valid YAML"));
  EXPECT_THAT(ErrorOf("a: 1\n---\nb: 2\n"), HasSubstr("a second document"));
  EXPECT_THAT(ErrorOf("server: {model: !!python/x 1}\n"), HasSubstr("t.yaml:1:17: tags such as"));
  EXPECT_THAT(ErrorOf("server: {}\nserver: {}\n"), HasSubstr("t.yaml:2:1: key \"server\" stands"));
  EXPECT_THAT(ErrorOf("? [a]\n: 1\n"), HasSubstr("a key must be a plain word"));
  EXPECT_THAT(ErrorOf("a: &a [*a]\n"), HasSubstr("itself"));
  EXPECT_THAT(ErrorOf(std::string(40, '[')), HasSubstr("nested deeper than 32"));
  EXPECT_THAT(ErrorOf(std::string("a: \0", 4)), HasSubstr("NUL"));
  EXPECT_THAT(ErrorOf(std::string(2 << 20, '#')), HasSubstr("larger than 1048576 bytes"));
}

TEST(ConfigTest, AliasBombsStopEarly) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 20; ++i) {
    bomb += StrCat("a", i, ": &a", i, " [");
    for (int k = 0; k < 10; ++k) bomb += StrCat(k == 0 ? "" : ",", "*a", i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(ErrorOf(bomb), HasSubstr("more than 50000 values (aliases counted)"));
}

TEST(ConfigTest, SecretsNeverPrint) {
  ::setenv("TESSERA_TEST_KEY", "s3cret", 1);
  const auto snapshot = Schema().Parse("server: {key: \"${env:TESSERA_TEST_KEY}\"}", "t.yaml");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_THAT(snapshot->ToYaml(), HasSubstr("key: ***"));
  EXPECT_THAT(snapshot->ToYaml(), ::testing::Not(HasSubstr("s3cret")));
  std::ostringstream out;
  out << snapshot->Get<Server>("server").key;
  EXPECT_EQ(out.str(), "***");
  EXPECT_THAT(ErrorOf("server: {key: s3cret}"), ::testing::Not(HasSubstr("s3cret")));
  EXPECT_THAT(ErrorOf("server: {key: \"${env:TESSERA_TEST_NOT_SET}\"}"), HasSubstr("is not set"));
}

TEST(ConfigTest, SecretsComeFromFiles) {
  const auto path = std::filesystem::temp_directory_path() / StrCat("tessera-secret-", ::getpid());
  std::ofstream(path) << "abc\n";
  const auto secret = ResolveSecret(StrCat("${file:", path.string(), "}"));
  std::filesystem::remove(path);
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(secret->Reveal(), "abc");
  EXPECT_FALSE(ResolveSecret(StrCat("${file:", path.string(), "}")).ok());
  EXPECT_FALSE(ResolveSecret("${file:}").ok());
  EXPECT_FALSE(ResolveSecret("${}").ok());
}

TEST(ConfigTest, PrintedConfigurationReadsBackTheSame) {
  const auto first =
      Schema().Parse("server: {grace: 90s, share: 0.25, names: [\"a b\"]}", "t.yaml");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Schema().Parse(first->ToYaml(), "again.yaml");
  ASSERT_TRUE(second.ok()) << second.status() << first->ToYaml();
  EXPECT_EQ(second->ToYaml(), first->ToYaml());
}

TEST(ConfigTest, Explains) {
  const ConfigSchema schema = Schema();
  const auto field = schema.Explain("server.texts_max");
  ASSERT_TRUE(field.ok());
  EXPECT_EQ(*field,
            "server.texts_max: a whole number\n  Most texts in one call.\n  default: 64\n"
            "  limits: 1 to 4096\n  example: texts_max: 1\n\n");
  EXPECT_THAT(*schema.Explain("server"), HasSubstr("server.upstreams.<key>.url"));
  EXPECT_THAT(*schema.Explain(""), HasSubstr("services.embeddings\n  Vectors."));
  EXPECT_THAT(schema.Explain("server.texts_mx").status().ToString(),
              HasSubstr("did you mean \"server.texts_max\"?"));
  EXPECT_THAT(schema.ReferencePage(),
              HasSubstr("| `body_max` | a size | `64MiB` | 1KiB to 1GiB | Largest body. |"));
  EXPECT_THAT(schema.JsonSchema(), HasSubstr("\"texts_max\": {\"type\": \"integer\""));
}

TEST(UnitsTest, DurationsAndSizes) {
  EXPECT_EQ(*ParseDuration("1h30m"), 5'400'000'000'000);
  EXPECT_EQ(*ParseDuration("1.5s"), 1'500'000'000);
  EXPECT_EQ(*ParseDuration("0"), 0);
  for (const char* bad : {"", "5", "s", "5x", "-1s", "1s ", "1e3s", "1..5s", "999999999d"})
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  EXPECT_EQ(*ParseBytes("64MiB"), 64 << 20);
  EXPECT_EQ(*ParseBytes("10 kB"), 10'000);
  EXPECT_EQ(*ParseBytes("7"), 7);
  for (const char* bad : {"", "MiB", "1Mi", "-1", "1MiB2", "99999999TiB"})
    EXPECT_FALSE(ParseBytes(bad).ok()) << bad;
  EXPECT_EQ(FormatDuration(5'400'000'000'000), "1h30m");
  EXPECT_EQ(FormatDuration(0), "0s");
  EXPECT_EQ(FormatBytes(64 << 20), "64MiB");
  EXPECT_EQ(FormatBytes(1025), "1025");
}

TEST(SuggestTest, NearButNotFar) {
  const std::vector<std::string> words{"ingest", "search", "ask"};
  EXPECT_EQ(NearestWord("ingset", words), "ingest");
  EXPECT_EQ(NearestWord("Serch", words), "search");
  EXPECT_EQ(NearestWord("models", words), "");
  EXPECT_EQ(NearestWord("", words), "");
}

}  // namespace
}  // namespace tessera
