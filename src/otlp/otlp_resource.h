#pragma once
// Who a figure, span or record is of.

#include <map>
#include <string>

namespace opentelemetry::proto::resource::v1 {
class Resource;
}

namespace tessera {

/// `attributes` (service.name among them), what the SDK says of itself, and the process:
/// service.instance.id, tessera.group. Only files of otlp see the SDK.
void FillResource(const std::map<std::string, std::string>& attributes, const std::string& process,
                  const std::string& group, opentelemetry::proto::resource::v1::Resource* resource);

}  // namespace tessera
