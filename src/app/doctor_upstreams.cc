// Models that are run by other servers: do they answer, and with our key?
#include "app/doctor.h"
#include "base/str.h"
#include "base/task.h"
#include "net/http_client.h"
#include "services/inference/inference_config.h"

namespace tessera {
namespace {

constexpr auto kPatience = std::chrono::seconds(3);

void CheckUpstream(const Ctx& ctx, const std::string& name, const UpstreamModelConfig& model,
                   IoLoops& loops, Report& report) {
  const std::string check = StrCat("model ", name);
  const Result<Url> url = ParseUrl(model.base_url);
  if (!url.ok()) {
    report.Bad(check, std::string(url.status().message()), "mend base_url in the configuration");
    return;
  }
  HttpClientConfig config;
  config.policy.trusted_hosts = {url->Authority()};
  config.redirects_max = 0;
  HttpClient http(std::move(config), loops);
  HttpClientRequest request;
  request.url = model.base_url + (model.base_url.ends_with("/") ? "models" : "/models");
  if (!model.key.empty()) request.headers.Set("Authorization", "Bearer " + model.key.Reveal());
  const auto reply = SyncWait(http.Send(ctx.WithTimeout(kPatience), std::move(request)));
  if (!reply.ok()) {
    report.Bad(check, StrCat(model.base_url, ": ", reply.status().message()),
               "start that server, or mend base_url: chats with this model fail");
  } else if (reply->status == 401 || reply->status == 403) {
    report.Bad(check, StrCat(model.base_url, " refuses the key"), "mend key in the configuration");
  } else if (reply->status >= 500) {
    report.Warning(check, StrCat(model.base_url, " answers with status ", reply->status),
                   "look at that server's log");
  } else {
    report.Good(check, StrCat(model.base_url, " answers"));
  }
}

}  // namespace

void CheckUpstreams(const Ctx& ctx, const ConfigSnapshot& config, Report& report) {
  IoLoops loops(1);
  for (const auto& [name, model] : config.Get<InferenceConfig>("services.inference").models)
    CheckUpstream(ctx, name, model, loops, report);
}

}  // namespace tessera
