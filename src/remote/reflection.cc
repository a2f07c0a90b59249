#include <set>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "remote/standard_services.h"

namespace tessera {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

// The file and all that it needs, once each: what clients make a pool of.
template <class Reply>
void AddFile(const FileDescriptor* file, std::set<std::string>* sent, Reply* reply) {
  if (!sent->insert(file->name()).second) return;
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  reply->mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file->dependency_count(); ++i) AddFile(file->dependency(i), sent, reply);
}

template <class Reply>
void NotFound(Reply* reply, std::string_view what) {
  auto* const error = reply->mutable_error_response();
  error->set_error_code(static_cast<int>(absl::StatusCode::kNotFound));
  error->set_error_message(StrCat("not found: ", what.substr(0, 200)));
}

template <class Request, class Reply>
void Answer(const Request& request, const std::vector<std::string>& services,
            std::set<std::string>* sent, Reply* reply) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  const FileDescriptor* file = nullptr;
  std::string what;
  switch (request.message_request_case()) {
    case Request::kListServices:
      for (const std::string& service : services) {
        reply->mutable_list_services_response()->add_service()->set_name(service);
      }
      if (services.empty()) reply->mutable_list_services_response();
      return;
    case Request::kFileByFilename:
      what = request.file_by_filename();
      file = pool.FindFileByName(what);
      break;
    case Request::kFileContainingSymbol:
      what = request.file_containing_symbol();
      file = pool.FindFileContainingSymbol(what);
      break;
    case Request::kFileContainingExtension: {
      what = request.file_containing_extension().containing_type();
      const auto* const type = pool.FindMessageTypeByName(what);
      const auto* const extension =
          type == nullptr ? nullptr
                          : pool.FindExtensionByNumber(
                                type, request.file_containing_extension().extension_number());
      if (extension != nullptr) file = extension->file();
      break;
    }
    case Request::kAllExtensionNumbersOfType: {
      what = request.all_extension_numbers_of_type();
      const auto* const type = pool.FindMessageTypeByName(what);
      if (type == nullptr) break;
      std::vector<const google::protobuf::FieldDescriptor*> extensions;
      pool.FindAllExtensions(type, &extensions);
      auto* const numbers = reply->mutable_all_extension_numbers_response();
      numbers->set_base_type_name(what);
      for (const auto* extension : extensions) numbers->add_extension_number(extension->number());
      return;
    }
    case Request::MESSAGE_REQUEST_NOT_SET:
      break;
  }
  if (file == nullptr) return NotFound(reply, what);
  sent->clear();  // a client may have dropped what it got before
  AddFile(file, sent, reply);
}

template <class Request, class Reply>
Task<Status> Converse(std::shared_ptr<ServerCall> call, std::vector<std::string> services) {
  std::set<std::string> sent;
  while (true) {
    CO_TRY(const std::optional<RawMessage> raw, co_await call->Read());
    if (!raw) co_return absl::OkStatus();
    Request request;
    CO_TRY(ParseMessage(*raw, 1 << 16, &request));
    Reply reply;
    reply.set_valid_host(request.host());
    *reply.mutable_original_request() = request;
    Answer(request, services, &sent, &reply);
    CO_TRY(co_await call->Send(&reply));
  }
}

}  // namespace

Task<Status> ServeReflection(std::shared_ptr<ServerCall> call, std::vector<std::string> services,
                             bool alpha) {
  if (alpha) {
    return Converse<grpc::reflection::v1alpha::ServerReflectionRequest,
                    grpc::reflection::v1alpha::ServerReflectionResponse>(std::move(call),
                                                                         std::move(services));
  }
  return Converse<grpc::reflection::v1::ServerReflectionRequest,
                  grpc::reflection::v1::ServerReflectionResponse>(std::move(call),
                                                                  std::move(services));
}

}  // namespace tessera
