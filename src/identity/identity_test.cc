// The authority, a process's identity and the policy, in real folders and with real certificates.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/read.h"
#include "identity/authority.h"
#include "identity/call_policy.h"
#include "identity/workload_identity.h"
#include "net/spiffe.h"
#include "runtime/thread_pool.h"
#include "runtime/timer.h"

namespace tessera {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

constexpr std::int64_t kHourMs = 3'600'000;
constexpr char kId[] = "spiffe://tessera/inference/inference";

template <class Condition>
bool Eventually(Condition condition) {
  const SteadyTime end = Now() + seconds(10);
  while (!condition()) {
    if (Now() > end) return false;
    const Status slept = SyncWait(SleepFor(Ctx(), milliseconds(5)));
  }
  return true;
}

std::string ReadAll(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void WriteAll(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

int Count(const std::string& text, std::string_view word) {
  int count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++count;
  }
  return count;
}

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): googletest derives from it
class IdentityTest : public ::testing::Test {
 protected:
  IdentityTest() {
    std::string pattern = (fs::temp_directory_path() / "tessera_identity_XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    options_.wall_ms = [this] { return WallMillis() + shift_ms_.load(); };
    tls_options_.wall_ms = options_.wall_ms;
  }
  ~IdentityTest() override { fs::remove_all(root_); }

  std::unique_ptr<CertificateAuthority> Open() {
    auto opened = CertificateAuthority::Open(root_ + "/ca", options_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  /// Whether `trust` believes `identity` now.
  bool Believes(const std::string& trust, TlsIdentity identity) {
    identity.trust = trust;
    return TlsContext::Make(identity, tls_options_).ok();
  }

  std::string root_;
  std::atomic<std::int64_t> shift_ms_{0};
  AuthorityOptions options_;
  TlsOptions tls_options_;
  ThreadPool disk_{"disk", 1};
};

TEST_F(IdentityTest, TheAuthorityIssuesWhatTlsAccepts) {
  const auto authority = Open();
  const auto first = authority->Issue(kId);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto tls = TlsContext::Make(*first, tls_options_);
  ASSERT_TRUE(tls.ok()) << tls.status();
  EXPECT_EQ((*tls)->id(), kId);
  const auto second = authority->Issue(kId, std::chrono::minutes(10));
  const auto one = ReadFacts(first->certificates);
  const auto two = ReadFacts(second->certificates);
  EXPECT_NE(one->serial, two->serial);
  EXPECT_NE(first->key, second->key);
  EXPECT_NEAR(static_cast<double>(one->not_after_ms - WallMillis()), 1.0 * kHourMs, 5000);
  EXPECT_NEAR(static_cast<double>(two->not_after_ms - WallMillis()), 1.0 * kHourMs / 6, 5000);
  EXPECT_LE(ReadFacts(authority->Issue(kId, hours(99))->certificates)->not_after_ms,
            WallMillis() + kHourMs)
      << "none lives longer than it is allowed to";
  for (const char* bad : {"", "inference", "spiffe://tessera", "spiffe://elsewhere/a/b",
                          "spiffe://tessera/a/../b", "spiffe://tessera//b", "spiffe://tessera/a b",
                          "https://tessera/a/b", "spiffe://TESSERA/a/b", "spiffe://tessera/a/"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(authority->Issue(bad).status())) << bad;
  }
}

TEST_F(IdentityTest, TheAuthorityIsKeptPrivatelyAndComesBack) {
  const std::string bundle = *Open()->Bundle();
  EXPECT_EQ(Count(bundle, "BEGIN CERTIFICATE"), 1);
  EXPECT_THAT(bundle, Not(HasSubstr("PRIVATE KEY")));
  int files = 0;
  for (const auto& entry : fs::directory_iterator(root_ + "/ca")) {
    struct stat found{};
    ASSERT_EQ(::stat(entry.path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600U) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 2);
  const auto again = Open();
  EXPECT_EQ(*again->Bundle(), bundle);
  EXPECT_TRUE(Believes(bundle, *again->Issue(kId)));
  // What others can read is no secret any more.
  fs::permissions(root_ + "/ca", fs::perms(0750));
  EXPECT_THAT(CertificateAuthority::Open(root_ + "/ca", options_).status().ToString(),
              HasSubstr("chmod 700"));
  fs::permissions(root_ + "/ca", fs::perms(0700));
  for (const auto& entry : fs::directory_iterator(root_ + "/ca")) {
    fs::permissions(entry.path(), fs::perms(0644));
  }
  EXPECT_THAT(CertificateAuthority::Open(root_ + "/ca", options_).status().ToString(),
              HasSubstr("chmod 600"));
  for (const auto& entry : fs::directory_iterator(root_ + "/ca")) {
    fs::permissions(entry.path(), fs::perms(0600));
    if (entry.path().extension() == ".crt") WriteAll(entry.path().string(), "torn");
  }
  EXPECT_THAT(CertificateAuthority::Open(root_ + "/ca", options_).status().ToString(),
              HasSubstr("no PEM certificate"));
}

TEST_F(IdentityTest, ARootIsReplacedWithAnOverlap) {
  auto authority = Open();
  const TlsIdentity before = *authority->Issue(kId);
  const std::string old = *authority->Bundle();
  ASSERT_TRUE(authority->Rotate().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(authority->Rotate())) << "one at a time";
  // Believed by all, used by none: who has only the old root accepts what is issued now.
  TlsIdentity now = *authority->Issue(kId);
  EXPECT_EQ(Count(now.trust, "BEGIN CERTIFICATE"), 2);
  EXPECT_TRUE(Believes(old, now));
  // A lifetime on everybody has renewed: the new one issues, and the old is still believed.
  shift_ms_ = kHourMs + 1000;
  authority = Open();
  now = *authority->Issue(kId);
  EXPECT_FALSE(Believes(old, now));
  EXPECT_EQ(Count(now.trust, "BEGIN CERTIFICATE"), 2);
  // Another lifetime on nothing of the old one is valid: it goes, and its key with it.
  shift_ms_ = 2 * kHourMs + 10 * 60'000;
  now = *authority->Issue(kId);
  EXPECT_EQ(Count(now.trust, "BEGIN CERTIFICATE"), 1);
  EXPECT_TRUE(Believes(now.trust, now));
  EXPECT_FALSE(Believes(now.trust, before));
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ + "/ca"), fs::directory_iterator()), 2);
  EXPECT_TRUE(authority->Rotate().ok()) << "and the next may begin";
}

TEST_F(IdentityTest, ARootThatAgesIsReplacedByItself) {
  options_.root_lifetime = hours(100);
  const auto authority = Open();
  const std::string old = *authority->Bundle();
  shift_ms_ = 79 * kHourMs;
  EXPECT_EQ(*authority->Bundle(), old);
  shift_ms_ = 81 * kHourMs;
  EXPECT_EQ(Count(*authority->Bundle(), "BEGIN CERTIFICATE"), 2);
  shift_ms_ = 101 * kHourMs;
  const TlsIdentity after = *authority->Issue(kId);
  EXPECT_TRUE(Believes(after.trust, after));
  EXPECT_FALSE(Believes(old, after));
}

TEST_F(IdentityTest, AnIdentityIsRenewedAtHalfOfItsLife) {
  options_.lifetime = seconds(3);
  options_.wall_ms = nullptr;
  const auto authority = Open();
  auto identity = WorkloadIdentity::FromAuthority(*authority, kId);
  ASSERT_TRUE(identity.ok()) << identity.status();
  const std::shared_ptr<TlsContext> tls = (*identity)->tls();
  EXPECT_EQ(tls->generation(), 1U);
  ASSERT_TRUE((*identity)->Refresh().ok());
  EXPECT_EQ(tls->generation(), 1U) << "not yet";
  (*identity)->Start(disk_, milliseconds(10));
  EXPECT_TRUE(Eventually([&] { return tls->generation() == 3; }));
  EXPECT_GT(tls->not_after_ms(), WallMillis());
  EXPECT_TRUE(SyncWait((*identity)->Stop()).ok());
}

TEST_F(IdentityTest, FilesAreUsedOnlyWhenTheyFitTogether) {
  const auto authority = Open();
  const TlsIdentity first = *authority->Issue(kId);
  const TlsIdentity second = *authority->Issue("spiffe://tessera/retrieval/retrieval");
  const IdentityFiles files{root_ + "/tls.crt", root_ + "/tls.key", root_ + "/ca.crt"};
  WriteAll(files.certificate, first.certificates);
  WriteAll(files.trust, first.trust);
  EXPECT_THAT(WorkloadIdentity::FromFiles(files).status().ToString(), HasSubstr("tls.key"));
  WriteAll(files.key, first.key);
  auto identity = WorkloadIdentity::FromFiles(files);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ((*identity)->id(), kId);
  ASSERT_TRUE((*identity)->Refresh().ok());
  EXPECT_EQ((*identity)->tls()->generation(), 1U) << "nothing has changed";
  // Half of a renewal.
  WriteAll(files.certificate, second.certificates);
  EXPECT_THAT((*identity)->Refresh().ToString(), HasSubstr("certificate and key"));
  WriteAll(files.certificate, second.certificates.substr(0, 300));
  EXPECT_THAT((*identity)->Refresh().ToString(), HasSubstr("certificate"));
  fs::remove(files.certificate);
  EXPECT_TRUE(absl::IsNotFound((*identity)->Refresh()));
  EXPECT_EQ((*identity)->id(), kId);
  EXPECT_EQ((*identity)->tls()->generation(), 1U);
  // All of it.
  (*identity)->Start(disk_, milliseconds(5));
  WriteAll(files.certificate, second.certificates);
  WriteAll(files.key, second.key);
  EXPECT_TRUE(Eventually([&] { return (*identity)->tls()->generation() == 2; }));
  EXPECT_EQ((*identity)->id(), "spiffe://tessera/retrieval/retrieval");
  EXPECT_TRUE(SyncWait((*identity)->Stop()).ok());
  // An authority that did not issue it.
  fs::remove_all(root_ + "/ca");
  WriteAll(files.trust, *Open()->Bundle());
  EXPECT_THAT((*identity)->Refresh().ToString(), HasSubstr("comes from no authority"));
}

TEST_F(IdentityTest, PushedIdentitiesAreChecked) {
  const auto authority = Open();
  auto identity = WorkloadIdentity::FromBytes(*authority->Issue(kId), tls_options_);
  ASSERT_TRUE(identity.ok()) << identity.status();
  TlsIdentity mixed = *authority->Issue(kId);
  mixed.key = authority->Issue(kId)->key;
  const Status status = (*identity)->Set(mixed);
  EXPECT_THAT(status.ToString(), HasSubstr("certificate and key"));
  EXPECT_THAT(status.ToString(), Not(HasSubstr("PRIVATE")));
  shift_ms_ = 2 * kHourMs;
  EXPECT_THAT((*identity)->Set(mixed).ToString(), HasSubstr("certificate"));
  EXPECT_TRUE((*identity)->Set(*authority->Issue(kId)).ok());
  EXPECT_TRUE(WorkloadIdentity::FromBytes({}, {}).status().ok() == false);
}

constexpr MethodInfo kSearch{.name = "Search", .full_name = "tessera.v1.Retrieval.Search"};
constexpr MethodInfo kEmbed{.name = "Embed", .full_name = "tessera.v1.Inference.Embed"};
constexpr MethodInfo kHealthCheck{.name = "Check", .full_name = "grpc.health.v1.Health.Check"};

TlsPeer Peer(std::string_view group, std::string serial = "0a") {
  return {.id = StrCat("spiffe://tessera/", group, "/x.y"), .serial = std::move(serial)};
}

TEST_F(IdentityTest, ThePolicySaysWhoCallsWhat) {
  const std::string path = root_ + "/audit.jsonl";
  const auto audit = std::make_shared<AuditLog>(path, disk_);
  CallPolicy policy(audit);
  EXPECT_TRUE(absl::IsPermissionDenied(policy.Check(Peer("gateway"), kSearch)));
  CallRules rules{.may_call = {{"gateway", {"*"}}, {"chat", {"tessera.v1.Retrieval"}}}};
  policy.Set(rules);
  EXPECT_TRUE(policy.Check(Peer("gateway"), kSearch).ok());
  EXPECT_TRUE(policy.Check(Peer("gateway"), kEmbed).ok());
  EXPECT_TRUE(policy.Check(Peer("chat"), kSearch).ok());
  EXPECT_TRUE(policy.Check(Peer("chat"), kHealthCheck).ok());
  EXPECT_EQ(policy.Check(Peer("chat"), kEmbed),
            absl::PermissionDeniedError("the group chat may not call tessera.v1.Inference"));
  EXPECT_FALSE(policy.Check(Peer("stranger"), kHealthCheck).ok());
  EXPECT_FALSE(policy.Check(Peer("gate"), kSearch).ok());
  EXPECT_FALSE(policy.Check({}, kSearch).ok());
  EXPECT_FALSE(policy.Check({.id = "spiffe://tessera"}, kSearch).ok());
  rules.denied_groups = {"gateway"};
  rules.denied_serials = {"0b"};
  policy.Set(rules);
  policy.Set(rules);  // the same again is no change
  EXPECT_FALSE(policy.Check(Peer("gateway"), kHealthCheck).ok()) << "revoked is revoked";
  EXPECT_FALSE(policy.Check(Peer("chat", "0b"), kSearch).ok());
  EXPECT_TRUE(policy.Check(Peer("chat", "0c"), kSearch).ok());
  EXPECT_TRUE(policy.IsDenied(Peer("gateway")));
  EXPECT_TRUE(policy.IsDenied(Peer("chat", "0b")));
  EXPECT_FALSE(policy.IsDenied(Peer("chat")));
  policy.RefusedConnection("the peer shows no certificate");
  audit->Flush();
  const std::string lines = ReadAll(path);
  EXPECT_EQ(Count(lines, "\"event\":\"call_refused\""), 8) << lines;
  EXPECT_EQ(Count(lines, "\"event\":\"policy_changed\""), 2);
  EXPECT_THAT(lines, HasSubstr("\"event\":\"connection_refused\",\"reason\":\"the peer shows no"));
  EXPECT_THAT(lines, HasSubstr("\"peer\":\"spiffe://tessera/gateway/x.y\",\"serial\":\"0a\","
                               "\"method\":\"grpc.health.v1.Health.Check\",\"reason\":\"the group "
                               "gateway is revoked\""));
}

TEST_F(IdentityTest, ThePolicyIsSwappedWhileItIsAsked) {
  CallPolicy policy(nullptr);
  const CallRules open{.may_call = {{"a", {"*"}}, {"b", {"*"}}}};
  CallRules half = open;
  half.denied_groups = {"b"};
  policy.Set(open);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<int> asked{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        if (!policy.Check(Peer("a"), kSearch).ok()) ++wrong;
        if (policy.Check(Peer("c"), kSearch).ok()) ++wrong;
        ++asked;
      }
    });
  }
  for (int i = 0; i < 500 || asked < 500; ++i) policy.Set(i % 2 == 0 ? half : open);
  policy.Set(half);
  EXPECT_FALSE(policy.Check(Peer("b"), kSearch).ok());
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

/// A disk that does its work only when told to.
class SlowDisk final : public Executor {
 public:
  void Post(Closure closure) override { waiting_.push_back(std::move(closure)); }
  void Work() {
    for (Closure& closure : std::exchange(waiting_, {})) closure();
  }

 private:
  std::vector<Closure> waiting_;
};

TEST_F(IdentityTest, TheAuditLogIsBoundedAndWaitsForNoDisk) {
  const std::string path = root_ + "/audit.jsonl";
  SlowDisk disk;
  AuditLog audit(path, disk, 200'000);
  const std::string text(1000, 'x');
  for (int i = 0; i < 2000; ++i) audit.Write("call_refused", {{"number", i}, {"reason", text}});
  EXPECT_FALSE(fs::exists(path));
  disk.Work();
  EXPECT_LT(fs::file_size(path), 1'200'000U) << "the queue has an end";
  EXPECT_THAT(ReadAll(path), HasSubstr("\"event\":\"audit_lines_lost\",\"count\":"));
  for (int i = 0; i < 300; ++i) {
    audit.Write("call_refused", {{"number", i}, {"reason", text}});
    disk.Work();
  }
  EXPECT_TRUE(fs::exists(path + ".1"));
  EXPECT_LT(fs::file_size(path), 200'000U);
  EXPECT_THAT(ReadAll(path), HasSubstr("\"number\":\"299\""));
  struct stat found{};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST_F(IdentityTest, ProcessesShareAnAuditLog) {
  const std::string path = root_ + "/audit.jsonl";
  SlowDisk disk;
  AuditLog one(path, disk, 100'000);
  AuditLog two(path, disk, 100'000, "retrieval-2");
  const std::string text(1000, 'x');
  constexpr int kLines = 150;  // the file is full once
  for (int i = 0; i < kLines; ++i) {
    (i % 2 == 0 ? one : two).Write("call_refused", {{"number", i}, {"reason", text}});
    disk.Work();
  }
  const std::string all = ReadAll(path + ".1") + ReadAll(path);
  std::size_t at = 0;
  for (int i = 0; i < kLines; ++i) {
    at = all.find(StrCat("\"number\":\"", i, "\""), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
  EXPECT_THAT(all,
              HasSubstr("\"event\":\"call_refused\",\"process\":\"retrieval-2\",\"number\":\"1\""));
  EXPECT_LE(fs::file_size(path + ".1"), 100'000U);
  EXPECT_LE(fs::file_size(path), 100'000U);
}

TEST(IdentityConfigTest, FilesGoWithTheirMode) {
  EXPECT_EQ(ReadYaml<IdentityConfig>("{}", "x")->mode, IdentityMode::kBuiltin);
  EXPECT_EQ(ReadYaml<IdentityConfig>("mode: off\n", "x")->mode, IdentityMode::kOff);
  const auto files =
      ReadYaml<IdentityConfig>("{mode: files, certificate: a, key: b, trust: c}", "x");
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->files().trust, "c");
  EXPECT_FALSE(ReadYaml<IdentityConfig>("{mode: files, certificate: a, key: b}", "x").ok());
  EXPECT_FALSE(ReadYaml<IdentityConfig>("{certificate: a}", "x").ok());
  EXPECT_FALSE(ReadYaml<IdentityConfig>("lifetime: 5s\n", "x").ok());
  EXPECT_FALSE(ReadYaml<IdentityConfig>("mode: on\n", "x").ok());
}

TEST(SpiffeTest, Ids) {
  const auto id = ParseSpiffeId("spiffe://a.b-c_1/Group/x.y_z-1");
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(id->trust_domain, "a.b-c_1");
  EXPECT_EQ(id->ToString(), "spiffe://a.b-c_1/Group/x.y_z-1");
  EXPECT_TRUE(ParseSpiffeId("spiffe://a").ok());
  for (const std::string& bad :
       {std::string("spiffe:///a"), std::string("spiffe://A/b"), std::string("spiffe://a/"),
        std::string("spiffe://a/b/"), std::string("spiffe://a//b"), std::string("spiffe://a/."),
        std::string("spiffe://a/b?c"), std::string("spiffe://a:1/b"), std::string("Spiffe://a/b"),
        std::string("spiffe://a/b\0c", 14), "spiffe://a/" + std::string(2100, 'b'),
        "spiffe://" + std::string(256, 'a')}) {
    EXPECT_FALSE(ParseSpiffeId(bad).ok()) << bad.substr(0, 40);
  }
  EXPECT_TRUE(MeetsSpiffeId("", "spiffe://a/b"));
  EXPECT_TRUE(MeetsSpiffeId("spiffe://a/b", "spiffe://a/b"));
  EXPECT_FALSE(MeetsSpiffeId("spiffe://a/b", "spiffe://a/bc"));
  EXPECT_FALSE(MeetsSpiffeId("spiffe://a/b/", "spiffe://a/bc"));
  EXPECT_FALSE(MeetsSpiffeId("spiffe://a/b/", "spiffe://a/b"));
  EXPECT_TRUE(MeetsSpiffeId("spiffe://a/b/", "spiffe://a/b/c"));
  EXPECT_EQ(GroupOf("spiffe://a/b/c"), "b");
  EXPECT_EQ(GroupOf("spiffe://a/b"), "b");
  EXPECT_EQ(GroupOf("spiffe://a"), "");
  EXPECT_EQ(GroupOf("b/c"), "");
}

}  // namespace
}  // namespace tessera
