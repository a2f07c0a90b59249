#include "control/process_trust.h"

#include <utility>

#include "absl/strings/str_join.h"
#include "base/str.h"

namespace tessera {
TlsIdentity FromMessage(const v1::ProcessIdentity& message) {
  return {.certificates = message.certificates(), .key = message.key(), .trust = message.trust()};
}

std::string SpiffeIdOf(const IdentityConfig& config, std::string_view group,
                       const std::vector<std::string>& services) {
  return StrCat("spiffe://", config.trust_domain, "/", group, "/", absl::StrJoin(services, "."));
}

v1::ProcessIdentity ToMessage(const TlsIdentity& identity) {
  v1::ProcessIdentity message;
  message.set_certificates(identity.certificates);
  message.set_key(identity.key);
  message.set_trust(identity.trust);
  return message;
}

Result<std::unique_ptr<ProcessTrust>> ProcessTrust::Make(const IdentityConfig& config,
                                                         const v1::ProcessIdentity& given,
                                                         std::shared_ptr<AuditLog> audit,
                                                         Executor& disk) {
  std::unique_ptr<ProcessTrust> trust(new ProcessTrust(config, std::move(audit)));
  const TlsOptions options{.trust_domain = config.trust_domain};
  if (config.mode == IdentityMode::kBuiltin) {
    TRY(trust->identity_, WorkloadIdentity::FromBytes(FromMessage(given), options));
  } else if (config.mode == IdentityMode::kFiles) {
    TRY(trust->identity_, WorkloadIdentity::FromFiles(config.files(), options));
    trust->identity_->Start(disk);
  }
  trust->SetRules(v1::SetRoutesRequest());
  return trust;
}

void ProcessTrust::Protect(RemoteChannelConfig& channel, std::string_view group) const {
  channel.send_identity = true;
  if (!identity_) return;
  channel.tls = identity_->tls();
  channel.expected_peer = PeerOf(group);
}

std::string ProcessTrust::PeerOf(std::string_view group) const {
  // Files name the process as whoever made them likes.
  if (!identity_ || config_.mode != IdentityMode::kBuiltin) return "";
  return StrCat("spiffe://", config_.trust_domain, "/", group, "/");
}

void ProcessTrust::Protect(RemoteServerConfig& server) const {
  server.listeners.front().trusts_identity = true;
  if (!identity_) return;
  server.listeners.front().tls = identity_->tls();
  server.permit = [this](const TlsPeer& peer, const MethodInfo& method) {
    return policy_.Check(peer, method);
  };
  server.on_refused = [this](const std::string& why) { policy_.RefusedConnection(why); };
}

Status ProcessTrust::SetIdentity(const v1::ProcessIdentity& identity) {
  if (config_.mode != IdentityMode::kBuiltin)
    return absl::FailedPreconditionError("this process's identity comes from elsewhere");
  return identity_->Set(FromMessage(identity));
}

void ProcessTrust::SetRules(const v1::SetRoutesRequest& request) {
  v1::SetRoutesRequest only_rules = request;
  only_rules.clear_version();
  only_rules.clear_routes();
  std::string text = only_rules.SerializeAsString();
  std::lock_guard lock(mutex_);
  if (std::exchange(rules_, text) == text) return;
  CallRules rules;
  rules.may_call[std::string(kRootGroup)] = {"*"};
  // Of files all processes of the platform have the same.
  if (config_.mode == IdentityMode::kFiles)
    rules.may_call[std::string(GroupOf(identity_->id()))] = {"*"};
  for (const v1::CallRule& rule : request.rules())
    rules.may_call[rule.group()].assign(rule.contracts().begin(), rule.contracts().end());
  rules.denied_groups.assign(request.denied_groups().begin(), request.denied_groups().end());
  rules.denied_serials.assign(request.denied_serials().begin(), request.denied_serials().end());
  policy_.Set(rules);
  if (server_ != nullptr)
    server_->CutPeers([this](const TlsPeer& peer) { return policy_.IsDenied(peer); });
}

void ProcessTrust::CutAt(RemoteServer* server) {
  std::lock_guard lock(mutex_);
  server_ = server;
}

Task<Status> ProcessTrust::Stop() {
  if (identity_ && config_.mode == IdentityMode::kFiles) co_return co_await identity_->Stop();
  co_return absl::OkStatus();
}

}  // namespace tessera
