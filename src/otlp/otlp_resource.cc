#include "otlp/otlp_resource.h"

#include <opentelemetry/exporters/otlp/otlp_populate_attribute_utils.h>
#include <opentelemetry/proto/resource/v1/resource.pb.h>
#include <opentelemetry/sdk/resource/resource.h>

namespace tessera {

void FillResource(const std::map<std::string, std::string>& attributes, const std::string& process,
                  const std::string& group,
                  opentelemetry::proto::resource::v1::Resource* resource) {
  namespace sdk = opentelemetry::sdk::resource;
  sdk::ResourceAttributes all;
  for (const auto& [key, value] : attributes) all.SetAttribute(key, value);
  all.SetAttribute("service.instance.id", process);
  if (!group.empty()) all.SetAttribute("tessera.group", group);
  opentelemetry::exporter::otlp::OtlpPopulateAttributeUtils::PopulateAttribute(
      resource, sdk::Resource::Create(all));
}

}  // namespace tessera
