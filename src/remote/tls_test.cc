// The remote door with mutual TLS: who is let in, who is not and why, and that changing identities
// loses no call. Real handshakes over real sockets; OpenSSL itself plays the strangers.

#include <algorithm>
#include <csignal>
#include <set>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "identity/call_policy.h"
#include "net/stream_address.h"
#include "remote/cluster.h"
#include "remote/remote_toy.h"
#include "remote/tls_toy.h"
#include "runtime/when_all.h"

namespace tessera {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

/// Waits for what another thread does; at most ten seconds.
template <class Condition>
bool Eventually(Condition condition) {
  const SteadyTime end = Now() + seconds(10);
  while (!condition()) {
    if (Now() > end) return false;
    const Status slept = SyncWait(SleepFor(Ctx(), milliseconds(2)));
  }
  return true;
}

/// One end of TLS as OpenSSL has it, with whatever is to be tried.
struct Stranger {
  const TlsIdentity* identity = nullptr;
  int version_max = TLS1_3_VERSION;
  const char* alpn = "\x02h2";

  /// Shakes hands over the socket, which it closes; true when it then reads a byte.
  bool IsLetIn(int socket, bool client) const {
    timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::fcntl(socket, F_SETFL, 0);
    ::signal(SIGPIPE, SIG_IGN);  // OpenSSL's own sockets raise it
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    SSL_CTX* const ctx = SSL_CTX_new(TLS_method());
    SSL_CTX_set_max_proto_version(ctx, version_max);
    if (identity != nullptr) Load(ctx);
    if (alpn != nullptr && client) {
      SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const unsigned char*>(alpn),
                              static_cast<unsigned>(std::strlen(alpn)));
    }
    SSL* const ssl = SSL_new(ctx);
    SSL_set_fd(ssl, socket);
    bool in = (client ? SSL_connect(ssl) : SSL_accept(ssl)) == 1;
    char byte = 0;
    if (in) in = SSL_read(ssl, &byte, 1) == 1;
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    ::close(socket);
    ERR_clear_error();
    return in;
  }

 private:
  void Load(SSL_CTX* ctx) const {
    BIO* text = BIO_new_mem_buf(identity->certificates.data(), -1);
    X509* const certificate = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
    BIO_free(text);
    text = BIO_new_mem_buf(identity->key.data(), -1);
    EVP_PKEY* const key = PEM_read_bio_PrivateKey(text, nullptr, nullptr, nullptr);
    BIO_free(text);
    CHECK(SSL_CTX_use_certificate(ctx, certificate) == 1);
    CHECK(SSL_CTX_use_PrivateKey(ctx, key) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
};

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): googletest derives from it
class TlsTest : public ::testing::TestWithParam<bool> {
 protected:
  TlsTest() {
    static std::atomic<int> number{0};
    if (GetParam()) address_ = StrCat("unix:/tmp/tessera_tls_", ::getpid(), "_", ++number, ".sock");
    server_tls_ = authority_.ContextFor("inference");
    client_tls_ = authority_.ContextFor("gateway");
    config_.http2.preface_timeout = seconds(2);
    config_.on_refused = [this](const std::string& why) {
      std::lock_guard lock(mutex_);
      refused_.push_back(why);
    };
  }
  ~TlsTest() override {
    Close();
    if (server_) {
      EXPECT_TRUE(Serves()) << "strangers must not hurt the others";
      EXPECT_TRUE(SyncWait(server_->Drain(Ctx().WithTimeout(seconds(20)))).ok());
    }
  }

  void Serve() {
    config_.listeners = {{.address = address_, .trusts_identity = true, .tls = server_tls_}};
    server_ = std::make_unique<RemoteServer>(config_, server_loops_, cpu_);
    server_->Serve(Bind(static_cast<Toy&>(*toy_)));
    ASSERT_TRUE(server_->Start().ok());
    if (!GetParam()) address_ = StrCat("127.0.0.1:", server_->port());
  }
  ToyRemote& Connect(std::shared_ptr<const TlsContext> tls, std::string expected = {}) {
    Close();
    RemoteChannelConfig config{.address = address_, .send_identity = true};
    config.tls = std::move(tls);
    config.expected_peer = std::move(expected);
    channel_.emplace(config, client_loops_);
    return remote_.emplace(*channel_);
  }
  void Close() {
    if (channel_) EXPECT_TRUE(SyncWait(channel_->Close()).ok());
    remote_.reset();
    channel_.reset();
  }
  bool Serves() {
    RemoteChannel channel({.address = address_, .tls = authority_.ContextFor("gateway")},
                          client_loops_);
    ToyRemote toy(channel);
    const Status pinged = SyncWait(toy.Ping(Ctx(), {})).status();
    EXPECT_TRUE(SyncWait(channel.Close()).ok());
    return pinged.ok() || absl::IsPermissionDenied(pinged);
  }
  Status Ping(ToyRemote& remote) {
    return SyncWait(remote.Ping(Ctx().WithTimeout(seconds(10)), {})).status();
  }
  int Socket() {
    const auto socket = SyncWait(Dial(client_loops_[0], Ctx(), *ParseStreamAddress(address_)));
    CHECK(socket.ok());
    return *socket;
  }
  /// Waits for the next refusal that on_refused is told.
  std::string Refusal() {
    std::string why = "nobody was refused";
    Eventually([&] {
      std::lock_guard lock(mutex_);
      if (refused_.empty()) return false;
      why = refused_.front();
      refused_.erase(refused_.begin());
      return true;
    });
    return why;
  }

  std::string address_ = "127.0.0.1:0";
  const ToyAuthority authority_, other_authority_;
  IoLoops server_loops_{2};
  IoLoops client_loops_{2};
  ThreadPool cpu_{"cpu", 1};
  std::shared_ptr<EchoToy> toy_ = std::make_shared<EchoToy>();
  std::shared_ptr<TlsContext> server_tls_, client_tls_;
  RemoteServerConfig config_;
  std::unique_ptr<RemoteServer> server_;
  std::optional<RemoteChannel> channel_;
  std::optional<ToyRemote> remote_;
  std::mutex mutex_;
  std::vector<std::string> refused_;
  std::set<std::string> serials_;
};

INSTANTIATE_TEST_SUITE_P(Sockets, TlsTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Unix" : "Tcp"; });

TEST_P(TlsTest, CallsAndStreamsGoThrough) {
  Serve();
  ToyRemote& remote = Connect(client_tls_, "spiffe://tessera/inference/");
  toy::AddRequest request;
  request.set_id(7);
  request.mutable_text()->assign(3 << 20, 'x');
  const auto reply = SyncWait(remote.Add(SystemCtx(), request));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->text(), request.text());
  toy::TellRequest tell;
  tell.set_count(2000);
  tell.set_text_bytes(1000);
  const auto stream = SyncWait(remote.Tell(SystemCtx(), tell));
  ASSERT_TRUE(stream.ok()) << stream.status();
  for (std::uint32_t i = 0; i < 2000; ++i) {
    const auto item = SyncWait((*stream)->Next(SystemCtx()));
    ASSERT_TRUE(item.ok() && item->has_value()) << item.status();
    ASSERT_EQ((*item)->number(), i);
  }
  EXPECT_FALSE(SyncWait((*stream)->Next(SystemCtx()))->has_value());
}

TEST_P(TlsTest, PermitDecidesWhoCallsWhat) {
  config_.permit = [](const TlsPeer& peer, const MethodInfo& method) {
    if (peer.id == "spiffe://tessera/gateway/toy" && method.full_name == "tessera.toy.Toy.Add") {
      return absl::OkStatus();
    }
    return absl::PermissionDeniedError(StrCat(peer.id, " may not call ", method.full_name));
  };
  Serve();
  ToyRemote& remote = Connect(client_tls_);
  EXPECT_TRUE(SyncWait(remote.Add(SystemCtx(), {})).ok());
  EXPECT_EQ(Ping(remote), absl::PermissionDeniedError(
                              "spiffe://tessera/gateway/toy may not call tessera.toy.Toy.Ping"));
  EXPECT_EQ(toy_->pings, 0);
  toy::TellRequest tell;
  EXPECT_TRUE(absl::IsPermissionDenied(SyncWait(remote.Tell(SystemCtx(), tell)).status()));
}

TEST_P(TlsTest, StrangersAreRefused) {
  Serve();
  struct Case {
    const char* why;
    TlsIdentity identity;
  };
  const std::string id = "spiffe://tessera/gateway/toy";
  const Case cases[] = {
      {"comes from no authority of the trust bundle", other_authority_.IssueFor("gateway")},
      {"has expired at 20", authority_.Issue({id}, -2 * kHourMs, -kMinuteMs)},
      {"is not valid before 20", authority_.Issue({id}, kHourMs, 2 * kHourMs)},
      {"has 2 URIs", authority_.Issue({id, "spiffe://tessera/inference/toy"})},
      {"has 0 URIs", authority_.Issue({})},
      {"names no SPIFFE id", authority_.Issue({"https://tessera/gateway"})},
      {"names no SPIFFE id", authority_.Issue({"spiffe://tessera/gateway/../root"})},
      {"is of the trust domain elsewhere", authority_.Issue({"spiffe://elsewhere/gateway/toy"})},
      {"is not made for this use",
       {.certificates = authority_.root().certificate, .key = authority_.root().key, .trust = ""}},
  };
  for (const Case& row : cases) {
    EXPECT_FALSE(Stranger{.identity = &row.identity}.IsLetIn(Socket(), true)) << row.why;
    EXPECT_THAT(Refusal(), HasSubstr(row.why));
    EXPECT_TRUE(Serves());
  }
}

TEST_P(TlsTest, WhatIsLessThanMutualTls13IsRefused) {
  Serve();
  const TlsIdentity good = authority_.IssueFor("gateway");
  EXPECT_TRUE(Stranger{.identity = &good}.IsLetIn(Socket(), true)) << "the test itself works";
  EXPECT_FALSE(Stranger{}.IsLetIn(Socket(), true));
  EXPECT_THAT(Refusal(), HasSubstr("shows no certificate"));
  EXPECT_FALSE(
      (Stranger{.identity = &good, .version_max = TLS1_2_VERSION}).IsLetIn(Socket(), true));
  EXPECT_THAT(Refusal(), HasSubstr("does not speak TLS 1.3"));
  EXPECT_FALSE((Stranger{.identity = &good, .alpn = nullptr}).IsLetIn(Socket(), true));
  EXPECT_THAT(Refusal(), HasSubstr("ALPN h2"));
  EXPECT_FALSE((Stranger{.identity = &good, .alpn = "\x08http/1.1"}).IsLetIn(Socket(), true));
  EXPECT_THAT(Refusal(), HasSubstr("ALPN h2"));
  ToyRemote& cleartext = Connect(nullptr);
  EXPECT_TRUE(absl::IsUnavailable(Ping(cleartext))) << Ping(cleartext);
  EXPECT_THAT(Refusal(), HasSubstr("does not speak TLS"));
  EXPECT_EQ(toy_->pings, 0);
}

TEST_P(TlsTest, AClientRefusesTheWrongServer) {
  Serve();
  const auto refuses = [this](std::shared_ptr<TlsContext> tls, std::string expected,
                              const char* why) {
    const Status status = Ping(Connect(std::move(tls), std::move(expected)));
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
  };
  refuses(client_tls_, "spiffe://tessera/retrieval/",
          "the peer is spiffe://tessera/inference/toy, but spiffe://tessera/retrieval/ was");
  EXPECT_THAT(Refusal(), HasSubstr("it refuses this side's identity"));
  refuses(client_tls_, "spiffe://tessera/inference", "was expected");
  EXPECT_TRUE(Ping(Connect(client_tls_, "spiffe://tessera/inference/toy")).ok());
  refuses(other_authority_.ContextFor("gateway"), "", "comes from no authority");
  // An hour and more from now the server's certificate has ended.
  TlsOptions later;
  later.wall_ms = [] { return WallMillis() + 2 * kHourMs; };
  const TlsIdentity lasting =
      authority_.Issue({"spiffe://tessera/gateway/toy"}, -kMinuteMs, 10 * kHourMs);
  refuses(*TlsContext::Make(lasting, later), "", "certificate has expired at 20");
  TlsOptions earlier;
  earlier.wall_ms = [] { return WallMillis() - kHourMs; };
  const TlsIdentity old = authority_.Issue({"spiffe://tessera/gateway/toy"}, -3 * kHourMs);
  refuses(*TlsContext::Make(old, earlier), "", "is not valid before 20");
  EXPECT_EQ(toy_->pings, 1) << "no refused server saw a request";
}

TEST_P(TlsTest, AClusterExpectsEachEndpointsOwnPeer) {
  Serve();
  ClusterConfig config;
  config.name = "toy";
  config.channel.tls = client_tls_;
  config.channel.expected_peer = "spiffe://tessera/nobody/";
  config.endpoints = {{.address = address_, .peer = "spiffe://tessera/inference/toy"}};
  Cluster cluster(config, client_loops_);
  ToyRemote remote(cluster);
  EXPECT_TRUE(Ping(remote).ok());
  cluster.SetEndpoints({{.address = address_, .peer = "spiffe://tessera/retrieval/"}});
  // As if nobody were there: the call waits for somebody else.
  EXPECT_FALSE(SyncWait(remote.Ping(Ctx().WithTimeout(milliseconds(300)), {})).ok());
  EXPECT_THAT(Refusal(), HasSubstr("it refuses this side's identity"));
  cluster.SetEndpoints({{.address = address_, .peer = "spiffe://tessera/inference/"}});
  EXPECT_TRUE(Ping(remote).ok());
  EXPECT_EQ(toy_->pings, 2);
  EXPECT_TRUE(SyncWait(cluster.Close()).ok());
}

TEST_P(TlsTest, AClientIsToldWhyItIsRefused) {
  Serve();
  TlsIdentity foreign = other_authority_.IssueFor("gateway");
  foreign.trust += authority_.trust();
  const Status status = Ping(Connect(*TlsContext::Make(foreign)));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("its trust bundle has no authority"));
}

TEST_P(TlsTest, AClientRefusesWhatIsLessThanMutualTls13) {
  if (GetParam()) GTEST_SKIP() << "the same over both";
  const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
  ::listen(listening, 5);
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  ::getsockname(listening, reinterpret_cast<sockaddr*>(&bound), &size);
  address_ = StrCat("127.0.0.1:", ntohs(bound.sin_port));
  const TlsIdentity good = authority_.IssueFor("inference");
  const auto meets = [&](const Stranger& stranger, const char* why) {
    std::thread server([&] { stranger.IsLetIn(::accept(listening, nullptr, nullptr), false); });
    const Status status = Ping(Connect(client_tls_));
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
    Close();
    server.join();
  };
  meets({.identity = &good, .version_max = TLS1_2_VERSION}, "does not speak TLS 1.3");
  meets({.identity = &good}, "ALPN h2");  // it selects none
  ::close(listening);
}

TEST_P(TlsTest, ACleartextServerGetsNoRequest) {
  server_tls_ = nullptr;
  Serve();
  const Status status = Ping(Connect(client_tls_));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("TLS"));
  EXPECT_EQ(toy_->pings, 0);
  Close();
  EXPECT_TRUE(SyncWait(server_->Drain(Ctx().WithTimeout(seconds(20)))).ok());
  server_.reset();
}

TEST_P(TlsTest, TheSilentAndTheGarbledHoldUpNobody) {
  config_.http2.preface_timeout = milliseconds(500);
  Serve();
  std::vector<int> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(Socket());
  // A true beginning, cut anywhere or with a bit turned.
  std::string hello;
  {
    const auto session = client_tls_->NewClient("");
    ASSERT_TRUE((*session)->Begin().ok());
    (*session)->Produce(hello);
  }
  ASSERT_GT(hello.size(), 150u);
  for (std::size_t i = 0; i < 150; ++i) {
    std::string bad = i % 3 == 0 ? hello.substr(0, i) : hello;
    if (i % 3 == 1) bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    if (i % 3 == 2) {
      bad.append(100, static_cast<char>(RandomId()));
      for (int k = 0; k < 20; ++k) bad[RandomId() % bad.size()] = static_cast<char>(RandomId());
    }
    const int socket = Socket();
    ::send(socket, bad.data(), bad.size(), MSG_NOSIGNAL);
    ::close(socket);
  }
  ToyRemote& remote = Connect(client_tls_);
  EXPECT_TRUE(Ping(remote).ok());
  EXPECT_TRUE(Eventually([&] { return server_->connections() <= 2; })) << server_->connections();
  EXPECT_TRUE(Ping(remote).ok());
  for (const int socket : silent) ::close(socket);
}

TEST_P(TlsTest, ARevokedPeerIsCutOff) {
  Serve();
  ToyRemote& remote = Connect(client_tls_);
  ASSERT_TRUE(Ping(remote).ok());
  Spawn(remote.Add(SystemCtx(),
                   [] {
                     toy::AddRequest request;
                     request.set_text("wait");
                     return request;
                   }()),
        [](const auto&) {});
  ASSERT_TRUE(Eventually([&] { return toy_->waiting == 1; }));
  server_->CutPeers([](const TlsPeer& peer) { return peer.id == "spiffe://tessera/other/toy"; });
  EXPECT_TRUE(Ping(remote).ok());
  server_->CutPeers([](const TlsPeer& peer) { return peer.id == "spiffe://tessera/gateway/toy"; });
  EXPECT_TRUE(Eventually([&] { return toy_->cancelled == 1; }));
}

TEST_P(TlsTest, ARevokedGroupIsRefusedAtOnce) {
  const auto audit = std::make_shared<AuditLog>("/dev/null", cpu_);
  CallPolicy policy(audit);
  config_.permit = [&policy](const TlsPeer& peer, const MethodInfo& method) {
    return policy.Check(peer, method);
  };
  CallRules rules{.may_call = {{"gateway", {"tessera.toy.Toy"}}, {"other", {"*"}}}};
  policy.Set(rules);
  Serve();
  ToyRemote& remote = Connect(client_tls_);
  ASSERT_TRUE(Ping(remote).ok());
  rules.denied_groups = {"gateway"};
  policy.Set(rules);
  EXPECT_EQ(Ping(remote), absl::PermissionDeniedError("the group gateway is revoked"));
  EXPECT_EQ(toy_->pings, 1);
  EXPECT_TRUE(Ping(Connect(authority_.ContextFor("other"))).ok()) << "others are served";
  rules.denied_groups.clear();
  policy.Set(rules);
  EXPECT_TRUE(Ping(Connect(client_tls_)).ok());
  Close();
  EXPECT_TRUE(SyncWait(server_->Drain(Ctx().WithTimeout(seconds(20)))).ok());
  server_.reset();  // before the policy
  audit->Flush();
}

TEST_P(TlsTest, ConnectionsEndBeforeTheirCertificates) {
  auto brief =
      TlsContext::Make(authority_.Issue({"spiffe://tessera/gateway/toy"}, -kMinuteMs, 3000));
  ASSERT_TRUE(brief.ok());
  Serve();
  ToyRemote& remote = Connect(*brief);
  ASSERT_TRUE(Ping(remote).ok());
  const std::int64_t end = (*brief)->not_after_ms();
  EXPECT_TRUE(Eventually([&] { return server_->connections() == 0; }));
  EXPECT_LT(WallMillis(), end);
  // Nobody renewed it in time: then it says so, and recovers when somebody does.
  ASSERT_TRUE((*brief)->Renew(authority_.IssueFor("gateway")).ok());
  EXPECT_TRUE(Ping(remote).ok());
}

// Calls until told to stop; gives the number of calls that failed.
Task<int> CallUntil(IoLoops* loops, Toy* toy, std::uint64_t first, std::atomic<bool>* stop,
                    std::atomic<std::uint64_t>* calls) {
  int failed = 0;
  for (std::uint64_t i = 0; !*stop; ++i) {
    co_await SwitchTo((*loops)[i % loops->size()]);
    toy::AddRequest request;
    request.set_id(first + i);
    const auto reply = co_await toy->Add(SystemCtx(), request);
    if (!reply.ok() || reply->id() != request.id()) {
      if (failed == 0) ADD_FAILURE() << reply.status();
      ++failed;
    }
    ++*calls;
  }
  co_return failed;
}

// Reads streams of 200 items, slowly; gives the number of items that were lost.
Task<int> ReadUntil(IoLoops* loops, Toy* toy, std::atomic<bool>* stop) {
  int lost = 0;
  co_await SwitchTo((*loops)[0]);
  while (!*stop) {
    toy::TellRequest tell;
    tell.set_count(200);
    tell.set_text_bytes(2000);
    const auto stream = co_await toy->Tell(SystemCtx(), tell);
    for (std::uint32_t i = 0; i < 200; ++i) {
      if (!stream.ok()) {
        ++lost;
        continue;
      }
      const auto item = co_await (*stream)->Next(SystemCtx());
      if (!item.ok() || !item->has_value() || (*item)->number() != i) ++lost;
      const Status slept = co_await SleepFor(Ctx(), std::chrono::microseconds(200));
    }
  }
  co_return lost;
}

TEST_P(TlsTest, ChangingIdentitiesUnderLoadLosesNothing) {
  config_.http2.drain_notice = milliseconds(20);
  config_.permit = [this](const TlsPeer& peer, const MethodInfo&) {
    std::lock_guard lock(mutex_);
    serials_.insert(peer.serial);
    return absl::OkStatus();
  };
  Serve();
  ToyRemote& remote = Connect(client_tls_, "spiffe://tessera/inference/");
  std::atomic<bool> stop{false};
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> calls{0};
  int failed = 0;
  std::vector<Task<int>> users;
  for (std::uint64_t i = 0; i < 6; ++i) {
    users.push_back(CallUntil(&client_loops_, &remote, i << 32, &stop, &calls));
  }
  for (int i = 0; i < 4; ++i) users.push_back(ReadUntil(&client_loops_, &remote, &stop));
  Spawn(WhenAll(std::move(users)), [&](const std::vector<int>& results) {
    for (const int result : results) failed += result;
    done = true;
  });
  // A new authority: first all believe it, then all use it, then none believes the old one.
  const ToyAuthority* at = &authority_;
  ToyAuthority next;
  const auto renew = [&](const ToyAuthority& issuer, const std::string& trust) {
    for (int round = 0; round < 5; ++round) {
      for (const auto& [tls, group] :
           {std::pair{server_tls_, "inference"}, {client_tls_, "gateway"}}) {
        TlsIdentity identity = issuer.IssueFor(group);
        identity.trust = trust;
        ASSERT_TRUE(tls->Renew(identity).ok());
        const std::uint64_t before = calls;
        ASSERT_TRUE(Eventually([&] { return calls > before + 30; }));
      }
    }
  };
  renew(*at, at->trust());
  renew(*at, at->trust() + next.trust());
  renew(next, at->trust() + next.trust());
  renew(next, next.trust());
  stop = true;
  ASSERT_TRUE(Eventually([&] { return done.load(); }));
  EXPECT_EQ(failed, 0) << "of " << calls << " calls";
  EXPECT_GT(calls, 1000u);
  EXPECT_GE(serials_.size(), 15u) << "connections of the new identities were used";
  EXPECT_TRUE(Eventually([&] { return server_->connections() <= 2; })) << "and the old ones ended";
  const Status now = Ping(Connect(authority_.ContextFor("gateway")));
  EXPECT_TRUE(absl::IsUnavailable(now)) << "the old authority is not believed any more: " << now;
  EXPECT_TRUE(server_tls_->Renew(authority_.IssueFor("inference")).ok());
}

}  // namespace
}  // namespace tessera
