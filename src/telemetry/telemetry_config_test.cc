#include "telemetry/telemetry_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera {
namespace {

using testing::HasSubstr;

class OtelVariablesTest : public testing::Test {
 protected:
  TelemetryConfig Read(TelemetryConfig config = {}) {
    const Environment environment = [this](const char* name) -> std::optional<std::string> {
      const auto found = set_.find(name);
      return found == set_.end() ? std::nullopt : std::optional(found->second);
    };
    warnings_.clear();
    return WithOtelVariables(std::move(config), environment, &warnings_);
  }
  std::string Url(OtlpSignal signal) { return Read().otlp.Target(signal).url; }

  std::map<std::string, std::string> set_;
  std::vector<std::string> warnings_;
};

TEST_F(OtelVariablesTest, GoOverTheConfiguration) {
  set_ = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318/"},
          {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"},
          {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"},
          {"OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=s%20t, x=y"},
          {"OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x=z"},
          {"OTEL_EXPORTER_OTLP_TIMEOUT", "2500"},
          {"OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip"},
          {"OTEL_METRIC_EXPORT_INTERVAL", " 1500 "},
          {"OTEL_TRACES_SAMPLER", "parentbased_traceidratio"},
          {"OTEL_TRACES_SAMPLER_ARG", "0.25"},
          {"OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=test"},
          {"OTEL_SERVICE_NAME", "shop"},
          {"OTEL_PROPAGATORS", "tracecontext"},
          {"OTEL_BSP_MAX_QUEUE_SIZE", "lots"}};
  TelemetryConfig config = Read();
  const OtlpTarget traces = config.otlp.Target(OtlpSignal::kTraces);
  EXPECT_EQ(traces.url, "http://a:4318/");
  EXPECT_EQ(traces.protocol, OtlpProtocol::kGrpc);
  EXPECT_EQ(traces.headers.at("api-key").Reveal(), "s t");
  EXPECT_EQ(traces.timeout, std::chrono::milliseconds(2500));
  const OtlpTarget metrics = config.otlp.Target(OtlpSignal::kMetrics);
  EXPECT_EQ(metrics.url, "http://a:4318/v1/metrics");
  EXPECT_EQ(metrics.protocol, OtlpProtocol::kHttp);
  EXPECT_EQ(metrics.headers.at("x").Reveal(), "z");
  EXPECT_FALSE(metrics.gzip);
  const OtlpTarget logs = config.otlp.Target(OtlpSignal::kLogs);
  EXPECT_EQ(logs.url, "http://a:4318/v1/logs");
  EXPECT_TRUE(logs.gzip);
  EXPECT_EQ(config.metrics.interval, std::chrono::milliseconds(1500));
  const auto resource = config.Resource("1.2");
  EXPECT_EQ(resource.at("service.name"), "shop");
  EXPECT_EQ(resource.at("service.version"), "1.2");
  EXPECT_EQ(resource.at("deployment.environment.name"), "test");
  ASSERT_EQ(warnings_.size(), 1u) << testing::PrintToString(warnings_);
  EXPECT_THAT(warnings_[0], HasSubstr("OTEL_BSP_MAX_QUEUE_SIZE"));
  TraceRecorder::Options options = config.RecorderOptions();
  EXPECT_TRUE(options.on);
  EXPECT_EQ(options.sampler.root, TraceSampler::Root::kRatio);
  EXPECT_DOUBLE_EQ(options.sampler.ratio, 0.25);
  EXPECT_TRUE(options.sampler.parent_based);
  EXPECT_FALSE(options.propagates_baggage);
}

TEST_F(OtelVariablesTest, SayHowACollectorIsProvedToAndBelieved) {
  set_ = {{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"},
          {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/own.pem"},
          {"OTEL_EXPORTER_OTLP_CLIENT_KEY", "/own.key"},
          {"OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "/logs.key"},
          {"OTEL_EXPORTER_OTLP_TRACES_INSECURE", "true"}};
  const TelemetryConfig config = Read();
  const OtlpTarget traces = config.otlp.Target(OtlpSignal::kTraces);
  EXPECT_EQ(traces.ca_file, "/ca.pem");
  EXPECT_EQ(traces.certificate_file, "/own.pem");
  EXPECT_EQ(traces.key_file, "/own.key");
  EXPECT_TRUE(traces.cleartext);
  const OtlpTarget logs = config.otlp.Target(OtlpSignal::kLogs);
  EXPECT_EQ(logs.key_file, "/logs.key");
  EXPECT_FALSE(logs.cleartext);
}

TEST_F(OtelVariablesTest, EachSignalHasItsSwitch) {
  EXPECT_EQ(Url(OtlpSignal::kTraces), "");
  EXPECT_EQ(Read().RecorderOptions().sampler.root, TraceSampler::Root::kAlwaysOff);
  set_ = {{"OTEL_TRACES_EXPORTER", "otlp"}};
  EXPECT_EQ(Url(OtlpSignal::kTraces), "http://localhost:4318/v1/traces");
  EXPECT_EQ(Url(OtlpSignal::kMetrics), "");
  EXPECT_EQ(Read().RecorderOptions().sampler.root, TraceSampler::Root::kAlwaysOn);
  set_ = {{"OTEL_LOGS_EXPORTER", "otlp"}, {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}};
  EXPECT_EQ(Url(OtlpSignal::kLogs), "http://localhost:4317");
  set_ = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318"},
          {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://b/x"},
          {"OTEL_METRICS_EXPORTER", "prometheus"}};
  EXPECT_EQ(Url(OtlpSignal::kLogs), "http://b/x");
  EXPECT_EQ(Url(OtlpSignal::kMetrics), "");
  EXPECT_TRUE(warnings_.empty());
  set_["OTEL_METRICS_EXPORTER"] = "otlp,console";
  set_["OTEL_LOGS_EXPORTER"] = "none";
  EXPECT_EQ(Url(OtlpSignal::kMetrics), "http://a:4318/v1/metrics");
  EXPECT_EQ(warnings_.size(), 1U);
  EXPECT_EQ(Url(OtlpSignal::kLogs), "");
  set_["OTEL_SDK_DISABLED"] = "TRUE";
  for (const OtlpSignal signal : kOtlpSignals) EXPECT_EQ(Url(signal), "");
  EXPECT_FALSE(Read().RecorderOptions().on);
}

TEST_F(OtelVariablesTest, WhatMakesNoSenseIsLeftOutOnceAndToldWithoutSecrets) {
  set_ = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318"},
          {"OTEL_EXPORTER_OTLP_HEADERS", "hunter2, key=%zz, good=1"},
          {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"},
          {"OTEL_EXPORTER_OTLP_TIMEOUT", "0"},
          {"OTEL_EXPORTER_OTLP_COMPRESSION", "zip"}};
  const OtlpTarget target = Read().otlp.Target(OtlpSignal::kMetrics);
  EXPECT_EQ(target.protocol, OtlpProtocol::kHttp);
  EXPECT_EQ(target.timeout, std::chrono::seconds(10));
  EXPECT_FALSE(target.gzip);
  ASSERT_EQ(target.headers.size(), 1U);
  EXPECT_EQ(target.headers.at("good").Reveal(), "1");
  EXPECT_EQ(warnings_.size(), 4U) << testing::PrintToString(warnings_);
  for (const std::string& warning : warnings_) {
    EXPECT_THAT(warning, testing::Not(HasSubstr("hunter2")));
    EXPECT_THAT(warning, HasSubstr("OTEL_EXPORTER_OTLP_"));
  }
}

TEST_F(OtelVariablesTest, TheFileSaysItToo) {
  TelemetryConfig config;
  config.otlp.endpoint = "http://c:1/base/";
  config.otlp.signals = {"metrics", "logs"};
  config.otlp.logs_endpoint = "http://d:2/in";
  EXPECT_EQ(config.otlp.Target(OtlpSignal::kTraces).url, "");
  EXPECT_EQ(config.otlp.Target(OtlpSignal::kMetrics).url, "http://c:1/base/v1/metrics");
  EXPECT_EQ(config.otlp.Target(OtlpSignal::kLogs).url, "http://d:2/in");
  EXPECT_FALSE(config.exports());
  set_ = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://e:3"}};
  EXPECT_EQ(Read(config).otlp.Target(OtlpSignal::kLogs).url, "http://e:3/v1/logs");
}

}  // namespace
}  // namespace tessera
