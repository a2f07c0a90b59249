// The toy service as a program, for tests that need another process:
//   toy_door serve UNIX_PATH [FOLDER NAME]
//       serves it over TCP and at the path, prints the port, ends with stdin; with the identity
//       NAME also over mutual TLS, and health alone: two more ports. Lines of stdin: "not serving",
//       "replace" (a successor takes over), "deny GROUP"
//   toy_door call ADDRESS [FOLDER NAME EXPECTED_PEER]
//       calls a toy service that somebody else serves, prints what came
//   toy_door follow ADDRESS
//       reads a stream without end, prints its first item and how it ended
//   toy_door issue FOLDER NAME=SPIFFE_ID…
//       makes an authority and these identities: ca.crt, NAME.crt, NAME.key
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "identity/call_policy.h"
#include "identity/issue.h"
#include "identity/workload_identity.h"
#include "remote/remote_toy.h"

namespace tessera {
namespace {

Result<KeyHolder> KnowsAnna(std::string_view authorization) {
  if (authorization.empty()) return KeyHolder();
  if (authorization != "Bearer anna") return absl::UnauthenticatedError("no such key");
  Principal principal;
  principal.id = "anna";
  principal.scopes = {"*"};
  return KeyHolder{.principal = std::move(principal), .tenant = ""};
}

/// The PEM files FOLDER/NAME.crt, FOLDER/NAME.key and FOLDER/ca.crt.
Result<std::unique_ptr<WorkloadIdentity>> IdentityIn(const std::string& folder,
                                                     const std::string& name) {
  return WorkloadIdentity::FromFiles({.certificate = StrCat(folder, "/", name, ".crt"),
                                      .key = StrCat(folder, "/", name, ".key"),
                                      .trust = folder + "/ca.crt"});
}

int Fail(const Status& status) {
  std::cerr << status << "\n";
  return 1;
}

/// Servers of one service, of which the newest serves.
class Door {
 public:
  Door(std::string path, std::unique_ptr<WorkloadIdentity> identity, const std::string& audit)
      : identity_(std::move(identity)) {
    table_.Set(router_.route().id(), {{MakeInstance<Toy>("toy", std::make_shared<EchoToy>()), 1}});
    config_.listeners = {{.address = "127.0.0.1:0", .compresses = true},
                         {.address = StrCat("unix:", path), .trusts_identity = true},
                         {.address = "127.0.0.1:0", .health_only = true}};
    config_.authenticate = &KnowsAnna;
    if (!identity_) return;
    config_.listeners.push_back(
        {.address = "127.0.0.1:0", .trusts_identity = true, .tls = identity_->tls()});
    policy_.emplace(std::make_shared<AuditLog>(audit, cpu_));
    policy_->Set(rules_);
    // The cleartext listeners are for tests of other things.
    config_.permit = [this](const TlsPeer& peer, const MethodInfo& method) {
      return peer.id.empty() ? absl::OkStatus() : policy_->Check(peer, method);
    };
    config_.on_refused = [this](const std::string& why) { policy_->RefusedConnection(why); };
  }

  Status Start() {
    auto server = std::make_unique<RemoteServer>(config_, loops_, cpu_);
    server->Serve(Bind(static_cast<Toy&>(router_)));
    TRY(server->Start());
    server_ = std::move(server);
    return absl::OkStatus();
  }
  /// A successor takes the sockets, then the server drains.
  Status Replace() {
    for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
      config_.listeners[i].adopted_socket = server_->HandOver(i);
    }
    const std::unique_ptr<RemoteServer> before = std::move(server_);
    TRY(Start());
    return SyncWait(before->Drain(Ctx().WithTimeout(std::chrono::seconds(20))));
  }
  void Deny(const std::string& group) {
    rules_.denied_groups.push_back(group);
    policy_->Set(rules_);
    server_->CutPeers([this](const TlsPeer& peer) { return policy_->IsDenied(peer); });
  }
  RemoteServer& server() { return *server_; }
  std::size_t listeners() const { return config_.listeners.size(); }

 private:
  const std::unique_ptr<WorkloadIdentity> identity_;
  IoLoops loops_{2};
  ThreadPool cpu_{"cpu", 1};
  RouteTable table_;
  ToyRouter router_{table_};
  CallRules rules_{.may_call = {{"gateway", {"tessera.toy.Toy"}}, {"chat", {"*"}}}};
  std::optional<CallPolicy> policy_;
  RemoteServerConfig config_;
  std::unique_ptr<RemoteServer> server_;
};

int Serve(const std::string& path, const std::string& folder, const std::string& name) {
  std::unique_ptr<WorkloadIdentity> identity;
  if (!folder.empty()) {
    auto made = IdentityIn(folder, name);
    if (!made.ok()) return Fail(made.status());
    identity = *std::move(made);
  }
  Door door(path, std::move(identity), folder + "/audit.jsonl");
  const Status started = door.Start();
  if (!started.ok()) return Fail(started);
  std::cout << door.server().port() << std::endl;
  for (std::size_t i = 2; i < door.listeners(); ++i) {
    std::cout << door.server().port(i) << std::endl;
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.ends_with("serving")) {
      door.server().SetServing("tessera.toy.Toy", line == "serving");
    }
    if (line == "replace") std::cout << "replaced " << door.Replace() << std::endl;
    if (line.starts_with("deny ")) {
      door.Deny(line.substr(5));
      std::cout << "denied" << std::endl;
    }
  }
  const Status drained = SyncWait(door.server().Drain(Ctx().WithTimeout(std::chrono::seconds(5))));
  std::cout << "drained " << drained << std::endl;
  return drained.ok() ? 0 : 1;
}

Status WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  return absl::OkStatus();
}

// Each of `names` is NAME=SPIFFE_ID.
Status Issue(const std::string& folder, const std::vector<std::string>& names) {
  const std::int64_t now = WallMillis();
  CertificateSpec spec{.common_name = "toy root", .uris = {}};
  spec.not_before_ms = now - 60'000;
  spec.not_after_ms = now + 86'400'000;
  TRY(const KeyPair root, MakeRoot(spec));
  TRY(WriteText(folder + "/ca.crt", root.certificate));
  spec.common_name = "";
  spec.dns_names = {"localhost"};
  for (const std::string& pair : names) {
    const std::size_t equals = pair.find('=');
    spec.uris = {pair.substr(equals + 1)};
    TRY(const KeyPair made, IssueWorkload(root, spec));
    const std::string stem = StrCat(folder, "/", pair.substr(0, equals));
    TRY(WriteText(stem + ".crt", made.certificate));
    TRY(WriteText(stem + ".key", made.key));
    std::filesystem::permissions(stem + ".key", std::filesystem::perms(0600));
  }
  return absl::OkStatus();
}

void CallAll(Toy& toy) {
  const auto add = [&toy](const std::string& text, Duration timeout) {
    toy::AddRequest request;
    request.set_id(5);
    request.set_text(text);
    const auto reply = SyncWait(toy.Add(SystemCtx().WithTimeout(timeout), request));
    if (reply.ok()) {
      std::cout << reply->id() << " " << reply->text().substr(0, 80) << " " << reply->text().size();
    } else {
      std::cout << reply.status().ToString(absl::StatusToStringMode::kWithNoExtraData)
                << " retry=" << RetryAfterOf(reply.status());
    }
    std::cout << std::endl;
  };
  add("hello", std::chrono::seconds(10));
  add(std::string(3 << 20, 'x'), std::chrono::seconds(20));
  add("fail", std::chrono::seconds(10));
  add("sleep", std::chrono::milliseconds(200));
  toy::TellRequest request;
  for (const std::uint32_t count : {5U, 13U, 99U}) {
    request.set_count(count);
    const auto stream = SyncWait(toy.Tell(SystemCtx(), request));
    int items = 0;
    Status end = stream.status();
    while (end.ok()) {
      const auto item = SyncWait((*stream)->Next(SystemCtx()));
      end = item.status();
      if (!item.ok() || !item->has_value()) break;
      ++items;
    }
    std::cout << items << " items, " << end.ToString(absl::StatusToStringMode::kWithNoExtraData)
              << std::endl;
  }
}

int Call(const std::string& address, const std::vector<std::string>& identity) {
  IoLoops loops(1);
  RemoteChannelConfig config{.address = address, .gzip_bytes_min = 1024};
  if (identity.size() == 3) {
    auto made = IdentityIn(identity[0], identity[1]);
    if (!made.ok()) return Fail(made.status());
    config.tls = (*made)->tls();
    config.expected_peer = identity[2];
  }
  RemoteChannel channel(config, loops);
  ToyRemote toy(channel);
  CallAll(toy);
  return SyncWait(channel.Close()).ok() ? 0 : 1;
}

int Follow(const std::string& address) {
  IoLoops loops(1);
  RemoteChannel channel({.address = address, .send_identity = true}, loops);
  ToyRemote toy(channel);
  toy::TellRequest request;
  request.set_count(4'000'000'000);
  request.set_text_bytes(100);
  {
    const auto stream = SyncWait(toy.Tell(SystemCtx(), request));
    Status end = stream.status();
    for (int items = 0; end.ok(); ++items) {
      const auto item = SyncWait((*stream)->Next(SystemCtx()));
      end = item.status();
      if (item.ok() && !item->has_value()) break;
      if (items == 0) std::cout << "first" << std::endl;
    }
    std::cout << end.ToString(absl::StatusToStringMode::kWithNoExtraData) << std::endl;
  }
  return SyncWait(channel.Close()).ok() ? 0 : 1;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::string verb = words.empty() ? "" : words[0];
  if (verb == "serve" && words.size() == 2) return tessera::Serve(words[1], "", "");
  if (verb == "serve" && words.size() == 4) return tessera::Serve(words[1], words[2], words[3]);
  if (verb == "call" && (words.size() == 2 || words.size() == 5)) {
    return tessera::Call(words[1], {words.begin() + 2, words.end()});
  }
  if (verb == "follow" && words.size() == 2) return tessera::Follow(words[1]);
  if (verb == "issue" && words.size() > 2) {
    const tessera::Status issued = tessera::Issue(words[1], {words.begin() + 2, words.end()});
    return issued.ok() ? 0 : tessera::Fail(issued);
  }
  std::cerr << "see the top of toy_door.cc\n";
  return 2;
}
