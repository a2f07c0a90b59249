#include "flags/flags.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/field_error.h"
#include "base/task.h"
#include "flags/local_flags.h"

namespace tessera {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

v1::Flag Colours() {
  v1::Flag flag;
  flag.set_key("colour");
  flag.set_type(v1::FLAG_TYPE_STRING);
  for (const char* name : {"red", "green", "blue"}) (*flag.mutable_variants())[name] = name;
  flag.set_default_variant("red");
  return flag;
}

v1::FlagRule& AddSplit(v1::Flag& flag, std::vector<std::pair<std::string, double>> shares) {
  v1::FlagRule& rule = *flag.add_rules();
  for (const auto& [variant, weight] : shares) {
    v1::FlagShare& share = *rule.add_split();
    share.set_variant(variant);
    share.set_weight(weight);
  }
  return rule;
}

std::unique_ptr<const CompiledFlag> Compiled(const v1::Flag& flag) {
  auto made = CompiledFlag::Make(flag, "");
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *std::move(made) : nullptr;
}

std::vector<std::string> FaultsOf(const v1::Flag& flag) {
  std::vector<std::string> fields;
  for (const FieldError& fault : FieldsOf(CompiledFlag::Make(flag, "flag.").status()))
    fields.push_back(fault.field);
  return fields;
}

Ctx CtxOf(std::string principal, std::string tenant = "", std::vector<std::string> scopes = {}) {
  auto info = std::make_shared<RequestInfo>();
  info->principal.id = std::move(principal);
  info->principal.scopes = std::move(scopes);
  info->tenant = std::move(tenant);
  info->request_id = "request-1";
  return Ctx(std::move(info), {});
}

// Flags of this process, until the test ends.
class FlagsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "flags_test_" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override {
    ForgetFlags();
    std::filesystem::remove_all(folder_);
  }
  std::unique_ptr<LocalFlags> Open() {
    ForgetFlags();
    auto flags = LocalFlags::Open({}, folder_, blocking_);
    EXPECT_TRUE(flags.ok()) << flags.status();
    return *std::move(flags);
  }
  static Result<v1::Flag> Put(LocalFlags& flags, const v1::Flag& flag) {
    v1::PutFlagRequest request;
    *request.mutable_flag() = flag;
    return SyncWait(flags.PutFlag(CtxOf("owner"), std::move(request)));
  }
  void Follow(const std::vector<v1::Flag>& all) {
    v1::SetFlagsRequest request;
    request.set_version(++version_);
    for (const v1::Flag& flag : all) *request.add_flags() = flag;
    request.add_headers("X-Canary");
    auto set = FlagSet::Make(request);
    ASSERT_TRUE(set.ok()) << set.status();
    SetCurrentFlags(*std::move(set));
  }

  std::string folder_;
  std::uint64_t version_ = 0;
  ThreadPool blocking_{"test", 2};
};

struct Case {
  std::string what;
  FlagSubject subject;
  std::string variant;
  FlagReason reason;
  int rule;
};

TEST_F(FlagsTest, TheFirstRuleThatAppliesDecides) {
  v1::Flag flag = Colours();
  v1::FlagRule& both = *flag.add_rules();  // 1
  both.add_principals("key:ci");
  both.add_principals("key:cd");
  both.add_tenants("acme");
  both.set_variant("green");
  v1::FlagRule& scope = *flag.add_rules();  // 2
  scope.add_scopes("admin");
  scope.set_variant("blue");
  v1::FlagRule& header = *flag.add_rules();  // 3
  (*header.mutable_headers())["X-Canary"] = "yes";
  header.set_variant("green");
  AddSplit(flag, {{"blue", 1}}).add_tenants("part");  // 4

  const std::vector<std::string> admin = {"read", "admin"}, all = {"*"};
  const std::vector<std::string> carried = {"header:x-canary=yes"};
  const std::vector<std::pair<std::string, std::string>> canary = {{"x-canary", "yes"}};
  const std::vector<std::pair<std::string, std::string>> other = {{"x-canary", "no"}};
  const Case cases[] = {
      {"nobody", {}, "red", FlagReason::kDefault, 0},
      {"one condition of two", {.principal = "key:ci"}, "red", FlagReason::kDefault, 0},
      {"both", {.principal = "key:cd", .tenant = "acme"}, "green", FlagReason::kTargetingMatch, 1},
      {"a scope", {.scopes = admin}, "blue", FlagReason::kTargetingMatch, 2},
      {"every scope", {.scopes = all}, "blue", FlagReason::kTargetingMatch, 2},
      {"both and a scope",
       {.principal = "key:ci", .tenant = "acme", .scopes = admin},
       "green",
       FlagReason::kTargetingMatch,
       1},
      {"a header", {.headers = canary}, "green", FlagReason::kTargetingMatch, 3},
      {"another value", {.headers = other}, "red", FlagReason::kDefault, 0},
      {"a header that came with the call",
       {.scopes = carried},
       "green",
       FlagReason::kTargetingMatch,
       3},
      {"a split", {.targeting_key = "x", .tenant = "part"}, "blue", FlagReason::kSplit, 4},
  };
  const auto compiled = Compiled(flag);
  for (const Case& one : cases) {
    const FlagAnswer answer = compiled->Evaluate(one.subject);
    ASSERT_NE(answer.variant, nullptr) << one.what;
    EXPECT_EQ(answer.variant->name, one.variant) << one.what;
    EXPECT_EQ(answer.reason, one.reason) << one.what;
    EXPECT_EQ(answer.rule, one.rule) << one.what;
  }
  const FlagAnswer keyless = compiled->Evaluate({.tenant = "part"});
  EXPECT_EQ(keyless.variant, nullptr);
  EXPECT_EQ(keyless.error, FlagError::kTargetingKeyMissing);
  EXPECT_EQ(keyless.reason, FlagReason::kError);

  flag.set_disabled(true);
  const auto off = Compiled(flag);  // the answer points into it
  const FlagAnswer disabled = off->Evaluate({.principal = "key:ci", .tenant = "acme"});
  EXPECT_EQ(disabled.variant->name, "red");
  EXPECT_EQ(disabled.reason, FlagReason::kDisabled);
  EXPECT_EQ(Compiled(Colours())->Evaluate({}).reason, FlagReason::kStatic);
}

TEST_F(FlagsTest, ServicesAskWithTheirCtx) {
  v1::Flag on = Colours();
  on.set_key("on");
  on.set_type(v1::FLAG_TYPE_BOOLEAN);
  on.clear_variants();
  (*on.mutable_variants())["yes"] = "true";
  (*on.mutable_variants())["no"] = "false";
  on.set_default_variant("no");
  v1::FlagRule& rule = *on.add_rules();
  rule.add_principals("key:ci");
  rule.set_variant("yes");
  v1::Flag count = on;
  count.set_key("count");
  count.clear_rules();
  count.set_type(v1::FLAG_TYPE_INTEGER);
  (*count.mutable_variants())["yes"] = "-7";
  (*count.mutable_variants())["no"] = "7";
  v1::Flag object = count;
  object.set_key("object");
  object.set_type(v1::FLAG_TYPE_OBJECT);
  (*object.mutable_variants())["yes"] = "{}";
  (*object.mutable_variants())["no"] = "{ \"limit\" : 3 }";
  Follow({on, count, object, Colours()});

  EXPECT_TRUE(BoolFlag(CtxOf("key:ci"), "on", false));
  EXPECT_FALSE(BoolFlag(CtxOf("key:else"), "on", true));
  EXPECT_TRUE(BoolFlag(CtxOf("key:ci"), "none", true));
  EXPECT_TRUE(BoolFlag(CtxOf("key:ci"), "colour", true)) << "another type";
  EXPECT_EQ(IntegerFlag(Ctx(), "count", 1), 7);
  EXPECT_EQ(NumberFlag(Ctx(), "count", 1), 7.0) << "a whole number is a number";
  EXPECT_EQ(IntegerFlag(Ctx(), "on", 1), 1);
  EXPECT_EQ(StringFlag(Ctx(), "colour", "?"), "red");
  EXPECT_EQ(ObjectFlag(Ctx(), "object", "?"), "{\"limit\":3}");
  EXPECT_EQ(FlagVariantOf(CtxOf("key:ci"), "on"), "yes");
}

std::map<std::string, int> Counts(const CompiledFlag& flag, int subjects) {
  std::map<std::string, int> counts;
  for (int i = 0; i < subjects; ++i) {
    const std::string who = StrCat("user-", i);
    ++counts[flag.Evaluate({.targeting_key = who}).variant->name];
  }
  return counts;
}

TEST_F(FlagsTest, SplitsKeepTheirSharesAndTheirSubjects) {
  constexpr int kSubjects = 100'000;
  v1::Flag flag = Colours();
  AddSplit(flag, {{"red", 70}, {"green", 29.5}, {"blue", 0.5}});
  const auto before = Compiled(flag);
  const auto counts = Counts(*before, kSubjects);
  // Four standard deviations of a fair draw.
  EXPECT_NEAR(counts.at("red"), 70'000, 580);
  EXPECT_NEAR(counts.at("green"), 29'500, 580);
  EXPECT_NEAR(counts.at("blue"), 500, 90);

  // Blue grows at red's cost: whoever was green or blue stays, but for green's and red's own change
  // of part, which is none.
  v1::Flag grown = Colours();
  AddSplit(grown, {{"blue", 10.5}, {"red", 60}, {"green", 29.5}});
  const auto after = Compiled(grown);
  int left_blue = 0, red_green = 0;
  for (int i = 0; i < kSubjects; ++i) {
    const std::string who = StrCat("user-", i);
    const std::string& was = before->Evaluate({.targeting_key = who}).variant->name;
    const std::string& is = after->Evaluate({.targeting_key = who}).variant->name;
    if (was == "blue" && is != "blue") ++left_blue;
    if (was == "green" && is == "red") ++red_green;
  }
  EXPECT_EQ(left_blue, 0);
  EXPECT_EQ(red_green, 0) << "red has shrunk: nobody goes there";

  // Only one weight changes: nobody moves between the others.
  v1::Flag more = Colours();
  AddSplit(more, {{"red", 70}, {"green", 29.5}, {"blue", 20}});
  const auto third = Compiled(more);
  for (int i = 0; i < kSubjects; ++i) {
    const std::string who = StrCat("user-", i);
    const std::string& was = before->Evaluate({.targeting_key = who}).variant->name;
    const std::string& is = third->Evaluate({.targeting_key = who}).variant->name;
    if (is != was) ASSERT_EQ(is, "blue") << who;
  }
}

// Another process, another release: these never change.
TEST_F(FlagsTest, SplitsAreTheSameForEver) {
  v1::Flag flag = Colours();
  AddSplit(flag, {{"red", 1}, {"green", 1}, {"blue", 1}});
  const auto compiled = Compiled(flag);
  std::string drawn;
  for (int i = 0; i < 24; ++i) {
    const std::string who = StrCat("user-", i);
    drawn.push_back(compiled->Evaluate({.targeting_key = who}).variant->name.front());
  }
  EXPECT_EQ(drawn, "brrbbgrbgbrbrrggrbrbgrgg");
  flag.set_key("another");
  const auto other = Compiled(flag);
  int same = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string who = StrCat("user-", i);
    same += compiled->Evaluate({.targeting_key = who}).variant->name ==
            other->Evaluate({.targeting_key = who}).variant->name;
  }
  EXPECT_NEAR(same, 1000, 110) << "flags draw by themselves";
}

TEST_F(FlagsTest, FaultsOfADefinitionHaveTheirPath) {
  v1::Flag flag = Colours();
  flag.set_key("not a key");
  flag.set_default_variant("pink");
  v1::FlagRule& rule = AddSplit(flag, {{"pink", 1}, {"red", -1}, {"green", 0}, {"green", 0}});
  rule.add_principals("");
  flag.add_rules();
  EXPECT_THAT(FaultsOf(flag),
              ::testing::ElementsAre(
                  "flag.key", "flag.default_variant", "flag.rules[0].principals[0]",
                  "flag.rules[0].split[0].variant", "flag.rules[0].split[1].weight",
                  "flag.rules[0].split[3].variant", "flag.rules[0].split", "flag.rules[1]"));
  const std::pair<v1::FlagType, std::vector<std::string>> wrong[] = {
      {v1::FLAG_TYPE_BOOLEAN, {"", "True", "1"}},
      {v1::FLAG_TYPE_INTEGER, {"", "1.5", "9007199254740992", "1x", " 1"}},
      {v1::FLAG_TYPE_NUMBER, {"", "nan", "inf", "1e999", "one"}},
      {v1::FLAG_TYPE_OBJECT, {"", "[]", "1", "{", "{}}"}},
  };
  for (const auto& [type, texts] : wrong) {
    for (const std::string& text : texts) {
      v1::Flag one = Colours();
      one.set_type(type);
      one.clear_variants();
      (*one.mutable_variants())["red"] = text;
      EXPECT_THAT(FaultsOf(one), Contains("flag.variants[\"red\"]")) << type << " " << text;
    }
  }
  v1::Flag typeless = Colours();
  typeless.clear_type();
  EXPECT_THAT(FaultsOf(typeless), Contains("flag.type"));
}

TEST_F(FlagsTest, ChangesAreKeptAndAudited) {
  v1::Flag flag = Colours();
  {
    auto flags = Open();
    ASSERT_TRUE(Put(*flags, flag).ok());
    EXPECT_EQ(StringFlag(Ctx(), "colour", "?"), "red");
    flag.set_default_variant("blue");
    const auto put = Put(*flags, flag);
    ASSERT_TRUE(put.ok()) << put.status();
    EXPECT_EQ(put->version(), 2U);
    EXPECT_EQ(put->changed_by(), "owner");
    flag.set_key("gone");
    ASSERT_TRUE(Put(*flags, flag).ok());
    v1::DeleteFlagRequest remove;
    remove.set_key("gone");
    EXPECT_TRUE(SyncWait(flags->DeleteFlag(CtxOf("key:ops"), remove)).ok());
    EXPECT_TRUE(absl::IsNotFound(SyncWait(flags->DeleteFlag(Ctx(), remove)).status()));
  }
  auto flags = Open();
  EXPECT_EQ(StringFlag(Ctx(), "colour", "?"), "blue");
  EXPECT_EQ(StringFlag(Ctx(), "gone", "?"), "?");
  const auto changes = SyncWait(flags->ListFlagChanges(Ctx(), {}));
  ASSERT_EQ(changes->changes_size(), 4);
  EXPECT_EQ(changes->changes(0).key(), "gone");
  EXPECT_EQ(changes->changes(0).principal(), "key:ops");
  EXPECT_FALSE(changes->changes(0).has_after());
  EXPECT_EQ(changes->changes(2).before().default_variant(), "red");
  EXPECT_EQ(changes->changes(2).after().default_variant(), "blue");
  EXPECT_GT(changes->changes(2).at_ms(), 0);

  v1::PutFlagRequest stale;
  *stale.mutable_flag() = Colours();
  stale.set_if_version(1);
  EXPECT_TRUE(absl::IsFailedPrecondition(SyncWait(flags->PutFlag(Ctx(), stale)).status()));
  stale.set_if_version(2);
  EXPECT_TRUE(SyncWait(flags->PutFlag(Ctx(), stale)).ok());
  v1::Flag spoken = Colours();
  v1::FlagRule& rule = *spoken.add_rules();
  rule.set_variant("blue");
  (*rule.mutable_headers())["x-other"] = "1";
  EXPECT_THAT(Put(*flags, spoken).status().ToString(), HasSubstr("flags.headers"));
}

TEST_F(FlagsTest, ALogThatGrowsIsBegunAnew) {
  constexpr int kChanges = 400;
  for (int round = 0; round < 2; ++round) {
    auto store = FlagStore::Open(folder_, 4096);
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_EQ(store->version(), static_cast<std::uint64_t>(round * kChanges));
    for (int i = 0; i < kChanges; ++i) {
      v1::FlagChange change;
      *change.mutable_after() = Colours();
      change.mutable_after()->set_key(StrCat("flag.", i % 7));
      change.mutable_after()->set_description(StrCat("round ", round, " ", i));
      change.set_key(change.after().key());
      ASSERT_TRUE(store->Commit(change).ok());
    }
    ASSERT_EQ(store->flags().size(), 7U);
    EXPECT_EQ(store->flags().at("flag.0").description(), StrCat("round ", round, " 399"));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ + "/flags"), {}), 12)
      << "flags.json, changes.jsonl and ten old ones";
}

TEST_F(FlagsTest, ABrokenLogIsSaidAndATornLastLineDropped) {
  ASSERT_TRUE(Put(*Open(), Colours()).ok());
  const std::string log = folder_ + "/flags/changes.jsonl";
  std::ofstream(log, std::ios::app) << "{\"version\":\"2\",\"key\":\"col";
  EXPECT_EQ(Open()->All().version(), 1U);
  std::ofstream(log, std::ios::app) << "no json\n";
  const auto refused = LocalFlags::Open({}, folder_, blocking_);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_THAT(refused.status().ToString(), HasSubstr("changes.jsonl:2"));
}

// A process that is killed while it changes flags: what it was told was kept is there.
TEST_F(FlagsTest, KilledWhileItWrites) {
  std::uint64_t kept = 0;
  for (int round = 0; round < 8; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto store = FlagStore::Open(folder_, 3000);
      if (!store.ok()) ::_exit(1);
      while (true) {
        v1::FlagChange change;
        *change.mutable_after() = Colours();
        change.set_key("colour");
        if (!store->Commit(change).ok()) ::_exit(1);
        const std::uint64_t version = change.version();
        if (::write(pipe[1], &version, sizeof version) != sizeof version) ::_exit(1);
      }
    }
    ::close(pipe[1]);
    std::uint64_t told = 0;
    const std::uint64_t enough = kept + 5 + static_cast<std::uint64_t>(round) * 3;
    while (told < enough && ::read(pipe[0], &told, sizeof told) == sizeof told) {
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    std::uint64_t more = 0;
    while (::read(pipe[0], &more, sizeof more) == sizeof more) told = more;
    ::close(pipe[0]);
    const auto store = FlagStore::Open(folder_, 3000);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_GE(store->version(), told);
    EXPECT_LE(store->version(), told + 1);
    EXPECT_EQ(store->flags().at("colour").version(), store->version());
    kept = store->version();
  }
}

TEST_F(FlagsTest, ReadersSeeOldOrNewWhileItChanges) {
  auto flags = Open();
  ASSERT_TRUE(Put(*flags, Colours()).ok());
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const std::string seen = StringFlag(Ctx(), "colour", "none");
        if (seen != "red" && seen != "blue") ++wrong;
      }
    });
  }
  v1::Flag flag = Colours();
  for (int i = 0; i < 50; ++i) {
    const std::string wanted = i % 2 == 0 ? "blue" : "red";
    flag.set_default_variant(wanted);
    ASSERT_TRUE(Put(*flags, flag).ok());
    ASSERT_EQ(StringFlag(Ctx(), "colour", "none"), wanted) << "from the return on";
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tessera
