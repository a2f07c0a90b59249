#pragma once
// A method of a contract that an HTTP endpoint implements.

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include <google/protobuf/message.h>

#include "base/task.h"
#include "config/fields.h"
#include "edge/proxy/known_shapes.h"
#include "edge/proxy/reshape.h"
#include "net/http_client.h"

namespace tessera {

/// Whose words the endpoint speaks.
enum class RestShape : std::uint8_t { kOwn, kTei, kOpea, kOpenAi };

struct RestMethodConfig {
  std::string url;
  RestShape shape = RestShape::kOwn;
  std::string model;  ///< what replies are said to come from
  std::map<std::string, Secret> headers;
  ReshapeConfig request;
  ReshapeConfig reply;
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
  Bytes reply_bytes_max{std::uint64_t{64} << 20};
  static void Describe(Fields<RestMethodConfig>& f);
};

/// A client for these URLs alone, wherever they lead; no redirects.
Result<std::shared_ptr<HttpClient>> MakeUpstreamClient(const std::vector<std::string>& urls,
                                                       std::uint64_t reply_bytes_max,
                                                       IoLoops& loops);
/// UNAVAILABLE, RESOURCE_EXHAUSTED …: the error of a call whose upstream said `status`. `who` is
/// for clients: no address.
Status UpstreamError(std::string_view who, int status, std::string_view body);

/// Thread-safe.
class RestMethod {
 public:
  /// `name`, such as "Inference.Embed", chooses the mappings that a shape has.
  static Result<std::unique_ptr<const RestMethod>> Make(std::string_view name,
                                                        RestMethodConfig config, IoLoops& loops);
  const RestMethodConfig& config() const { return config_; }
  /// "the service behind Inference.Embed": what clients are told, who have no use for addresses.
  const std::string& name() const { return name_; }

  /// INTERNAL: the reply does not fit the contract.
  template <class Reply>
  Task<Result<Reply>> Call(Ctx ctx, std::unique_ptr<google::protobuf::Message> request) const {
    Reply reply;
    CO_TRY(co_await CallInto(std::move(ctx), std::move(request), &reply));
    co_return reply;
  }

 private:
  RestMethod(std::string name, RestMethodConfig config, const KnownShape* known, Reshape request,
             Reshape reply, std::shared_ptr<HttpClient> http)
      : name_(std::move(name)),
        config_(std::move(config)),
        known_(known),
        request_(std::move(request)),
        reply_(std::move(reply)),
        http_(std::move(http)) {}
  Task<Status> CallInto(Ctx ctx, std::unique_ptr<google::protobuf::Message> request,
                        google::protobuf::Message* reply) const;

  /// What a client is told; the log has the rest.
  Status Fail(Status why) const;
  Result<std::string> Write(const google::protobuf::Message& request) const;
  Status Read(std::string body, google::protobuf::Message* reply) const;

  const std::string name_;
  const RestMethodConfig config_;
  const KnownShape* const known_;  ///< instead of the mappings; nullptr: none
  const Reshape request_;
  const Reshape reply_;
  const std::shared_ptr<HttpClient> http_;
};

}  // namespace tessera
