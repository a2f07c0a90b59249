// protoc-gen-tessera: from every `service` of a .proto comes
//   x.tessera.h      the abstract class (all that a service may see of its neighbours) with its
//                    constexpr method table, and for tests one that does nothing
//   x_rpc.tessera.h  the router of the contract: the same class, in front of whatever instance
//                    serves it now
//   x_doc.tessera.h  what the comments say of the messages' fields
//   x_remote.tessera.h  the contract as served elsewhere: the same class, over a RemoteCaller
//   x_forward.tessera.h  for those that answer some methods and pass the others on
// A method without `scope` or `public`, or without a timeout, is refused: no route is born
// unprotected or unbounded.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/compiler/code_generator.h>
#include <google/protobuf/compiler/plugin.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/printer.h>
#include <google/protobuf/io/zero_copy_stream.h>
#include <google/protobuf/unknown_field_set.h>

namespace {

using google::protobuf::Descriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;
using google::protobuf::compiler::GeneratorContext;
using google::protobuf::io::Printer;

constexpr int kMethodOption = 50501;  // tessera.v1.method in options.proto

/// The fields of tessera.v1.MethodOptions, by their numbers in options.proto.
struct Options {
  std::string scope;
  bool is_public = false;
  bool idempotent = false;
  std::uint64_t timeout_ms = 0;
  std::string verb;
  std::string path;
};

// The plugin is built before any generated code, so it reads the option from the unknown fields.
Options ReadOptions(const MethodDescriptor& method) {
  Options options;
  std::string bytes;
  method.options().SerializeToString(&bytes);
  UnknownFieldSet all;
  all.ParseFromString(bytes);
  for (int i = 0; i < all.field_count(); ++i) {
    if (all.field(i).number() != kMethodOption) continue;
    UnknownFieldSet fields;
    fields.ParseFromString(all.field(i).length_delimited());
    for (int k = 0; k < fields.field_count(); ++k) {
      const UnknownField& field = fields.field(k);
      switch (field.number()) {
        case 1:
          options.scope = field.length_delimited();
          break;
        case 2:
          options.is_public = field.varint() != 0;
          break;
        case 3:
          options.idempotent = field.varint() != 0;
          break;
        case 4:
          options.timeout_ms = field.varint();
          break;
        case 5:
          options.verb = "GET";
          options.path = field.length_delimited();
          break;
        case 6:
          options.verb = "POST";
          options.path = field.length_delimited();
          break;
        case 7:
          options.verb = "DELETE";
          options.path = field.length_delimited();
          break;
        default:
          break;
      }
    }
  }
  return options;
}

std::string Problem(const MethodDescriptor& method, const Options& options) {
  if (method.client_streaming()) return "client streams are not supported";
  if (options.scope.empty() == !options.is_public) return "needs either a scope or public: true";
  if (options.timeout_ms == 0) return "needs timeout_ms";
  return {};
}

std::string Stem(const FileDescriptor& file) {
  return file.name().substr(0, file.name().size() - std::string_view(".proto").size());
}

std::string CppType(const Descriptor& message) {
  std::string name = "::";
  for (const char c : message.full_name()) {
    if (c == '.')
      name += "::";
    else
      name += c;
  }
  return name;
}

// On one line, fit for a string literal.
std::string OneLine(const std::string& comment) {
  std::string line;
  for (const char c : comment) {
    const bool space = c == ' ' || c == '\n';
    if (space && (line.empty() || line.back() == ' ')) continue;
    if (c == '"' || c == '\\') line += '\\';
    line += space ? ' ' : c;
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

template <class D>
std::string LeadingComment(const D& descriptor) {
  google::protobuf::SourceLocation location;
  return descriptor.GetSourceLocation(&location) ? location.leading_comments : "";
}

std::map<std::string, std::string> Vars(const MethodDescriptor& method) {
  const Options options = ReadOptions(method);
  const std::string reply = CppType(*method.output_type());
  return {
      {"method", method.name()},
      {"service", method.service()->name()},
      {"request", CppType(*method.input_type())},
      {"reply", method.server_streaming() ? "StreamPtr<" + reply + ">" : reply},
      {"index", std::to_string(method.index())},
      {"full_name", method.full_name()},
      {"scope", options.scope},
      {"idempotent", options.idempotent ? "true" : "false"},
      {"streaming", method.server_streaming() ? "true" : "false"},
      {"timeout_ms", std::to_string(options.timeout_ms)},
      {"verb", options.verb},
      {"path", options.path},
      {"doc", OneLine(LeadingComment(method))},
      {"call", method.server_streaming() ? "CallStream" : "Call"},
  };
}

void PrintComment(Printer& out, const std::string& comment, const char* indent) {
  std::size_t start = 0;
  while (start < comment.size()) {
    const std::size_t end = comment.find('\n', start);
    std::string line = comment.substr(start, end - start);
    out.PrintRaw(indent);
    out.PrintRaw("///" + line + "\n");
    if (end == std::string::npos) break;
    start = end + 1;
  }
}

void PrintInterface(Printer& out, const ServiceDescriptor& service) {
  const std::map<std::string, std::string> vars = {
      {"service", service.name()},
      {"full_name", service.full_name()},
      {"count", std::to_string(service.method_count())}};
  PrintComment(out, LeadingComment(service), "");
  out.Print(vars, "class $service$ {\n public:\n  static constexpr MethodInfo kMethods[] = {\n");
  for (int i = 0; i < service.method_count(); ++i) {
    out.Print(Vars(*service.method(i)),
              "      {.name = \"$method$\", .full_name = \"$full_name$\", .scope = \"$scope$\", "
              ".verb = \"$verb$\",\n"
              "       .path = \"$path$\", .timeout_ms = $timeout_ms$, .idempotent = $idempotent$, "
              ".streaming = $streaming$,\n       .doc = \"$doc$\"},\n");
  }
  out.Print(vars,
            "  };\n  static constexpr ContractInfo kContract = {\"$full_name$\", kMethods};\n\n"
            "  virtual ~$service$() = default;\n");
  for (int i = 0; i < service.method_count(); ++i) {
    out.PrintRaw("\n");
    PrintComment(out, LeadingComment(*service.method(i)), "  ");
    out.Print(Vars(*service.method(i)),
              "  virtual Task<Result<$reply$>> $method$(Ctx ctx, $request$ request) = 0;\n");
  }
  out.Print("};\n\n");
}

void PrintUnimplemented(Printer& out, const ServiceDescriptor& service) {
  out.Print(
      "/// Refuses every call, for tests that need but a few of them.\n"
      "class Unimplemented$service$ : public $service$ {\n public:\n",
      "service", service.name());
  for (int i = 0; i < service.method_count(); ++i) {
    out.Print(Vars(*service.method(i)),
              "  Task<Result<$reply$>> $method$(Ctx, $request$) override {\n"
              "    co_return absl::UnimplementedError(\"$full_name$\");\n  }\n");
  }
  out.Print("};\n\n");
}

void PrintForwarding(Printer& out, const ServiceDescriptor& service) {
  out.Print(
      "/// Passes every call on that a class below it does not answer itself.\n"
      "class Forwarding$service$ : public $service$ {\n public:\n"
      "  explicit Forwarding$service$(std::shared_ptr<$service$> target) : "
      "target_(std::move(target)) {}\n",
      "service", service.name());
  for (int i = 0; i < service.method_count(); ++i) {
    out.Print(Vars(*service.method(i)),
              "\n  Task<Result<$reply$>> $method$(Ctx ctx, $request$ request) override {\n"
              "    return target_->$method$(std::move(ctx), std::move(request));\n  }\n");
  }
  out.Print(
      "\n protected:\n  $service$& target() const { return *target_; }\n\n"
      " private:\n  const std::shared_ptr<$service$> target_;\n};\n\n",
      "service", service.name());
}

void PrintFieldDocs(Printer& out, const Descriptor& message) {
  for (int i = 0; i < message.nested_type_count(); ++i)
    PrintFieldDocs(out, *message.nested_type(i));
  for (int i = 0; i < message.field_count(); ++i) {
    google::protobuf::SourceLocation location;
    if (!message.field(i)->GetSourceLocation(&location)) continue;
    const std::string doc = OneLine(location.leading_comments + location.trailing_comments);
    if (doc.empty()) continue;
    out.Print("    {\"$name$\", \"$doc$\"},\n", "name", message.field(i)->full_name(), "doc", doc);
  }
}

// Once a file, with its first service.
void PrintDocs(Printer& out, const ServiceDescriptor& service) {
  if (service.index() > 0) return;
  out.Print("inline constexpr FieldDoc k$service$Fields[] = {\n", "service", service.name());
  for (int i = 0; i < service.file()->message_type_count(); ++i) {
    PrintFieldDocs(out, *service.file()->message_type(i));
  }
  out.Print("};\n\n");
}

void PrintRouter(Printer& out, const ServiceDescriptor& service) {
  out.Print({{"service", service.name()}},
            "/// $service$ as its callers hold it: every call goes to the instance that the route "
            "table names now.\n"
            "/// Thread-safe; lives as long as the process.\n"
            "class $service$Router final : public $service$ {\n public:\n"
            "  explicit $service$Router(RouteTable& table) : route_(table, kContract) {}\n"
            "  CallRoute& route() { return route_; }\n");
  for (int i = 0; i < service.method_count(); ++i) {
    out.Print(Vars(*service.method(i)),
              "\n  Task<Result<$reply$>> $method$(Ctx ctx, $request$ request) override {\n"
              "    return route_.$call$<$service$, &$service$::$method$>($index$, std::move(ctx), "
              "std::move(request));\n"
              "  }\n");
  }
  out.Print(
      "\n private:\n  CallRoute route_;\n};\n\n"
      "template <>\nstruct RouterFor<$service$> {\n  using type = $service$Router;\n};\n\n",
      "service", service.name());
}

void PrintRemote(Printer& out, const ServiceDescriptor& service) {
  out.Print({{"service", service.name()}},
            "/// $service$ as it is served elsewhere. Thread-safe; the caller outlives it.\n"
            "class $service$Remote final : public $service$ {\n public:\n"
            "  explicit $service$Remote(RemoteCaller& caller) : caller_(caller) {}\n");
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    std::map<std::string, std::string> vars = Vars(method);
    vars["item"] = CppType(*method.output_type());
    out.Print(vars,
              "\n  Task<Result<$reply$>> $method$(Ctx ctx, $request$ request) override {\n"
              "    return caller_.$call$<$item$>(kMethods[$index$], std::move(ctx), "
              "std::move(request));\n"
              "  }\n");
  }
  out.Print("\n private:\n  RemoteCaller& caller_;\n};\n\n");
}

/// One method of one service, from HTTP or gRPC: found by its descriptor, called with messages of
/// any type.
void PrintBinding(Printer& out, const ServiceDescriptor& service) {
  out.Print({{"service", service.name()}, {"count", std::to_string(service.method_count())}},
            "/// Calls $service$'s methods by index with type-erased messages, for the doors that "
            "are generic over descriptors.\n"
            "inline std::vector<MethodBinding> Bind($service$& service) {\n"
            "  std::vector<MethodBinding> bindings;\n"
            "  bindings.reserve($count$);\n");
  for (int i = 0; i < service.method_count(); ++i) {
    out.Print(Vars(*service.method(i)),
              "  bindings.push_back(Bind<$request$, &$service$::$method$>(service, "
              "$service$::kMethods[$index$]));\n");
  }
  out.Print("  return bindings;\n}\n\n");
}

class TesseraGenerator final : public google::protobuf::compiler::CodeGenerator {
 public:
  std::uint64_t GetSupportedFeatures() const override { return FEATURE_PROTO3_OPTIONAL; }

  bool Generate(const FileDescriptor* file, const std::string&, GeneratorContext* context,
                std::string* error) const override {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const MethodDescriptor& method = *file->service(s)->method(m);
        const std::string problem = Problem(method, ReadOptions(method));
        if (problem.empty()) continue;
        *error = file->name() + ": " + method.full_name() + ": " + problem;
        return false;
      }
    }
    WriteHeader(*file, *context, ".tessera.h", {"base/contract.h", "base/stream.h"}, ".pb.h",
                {&PrintInterface, &PrintUnimplemented});
    WriteHeader(*file, *context, "_doc.tessera.h", {"base/contract.h"}, ".pb.h", {&PrintDocs});
    WriteHeader(*file, *context, "_rpc.tessera.h", {"rpc/route.h", "rpc/binding.h"}, ".tessera.h",
                {&PrintRouter, &PrintBinding});
    WriteHeader(*file, *context, "_remote.tessera.h", {"remote/caller.h"}, ".tessera.h",
                {&PrintRemote});
    WriteHeader(*file, *context, "_forward.tessera.h", {}, ".tessera.h", {&PrintForwarding});
    return true;
  }

 private:
  using Print = void (*)(Printer&, const ServiceDescriptor&);

  static void WriteHeader(const FileDescriptor& file, GeneratorContext& context,
                          const std::string& suffix, const std::vector<std::string>& includes,
                          const std::string& includes_own, const std::vector<Print>& prints) {
    const std::unique_ptr<google::protobuf::io::ZeroCopyOutputStream> stream(
        context.Open(Stem(file) + suffix));
    Printer out(stream.get(), '$');
    out.Print("// Made by protoc-gen-tessera from $file$. Do not edit.\n#pragma once\n\n", "file",
              file.name());
    for (const std::string& include : includes) out.Print("#include \"$i$\"\n", "i", include);
    out.Print("#include \"$i$\"\n\nnamespace tessera {\n\n", "i", Stem(file) + includes_own);
    for (int s = 0; s < file.service_count(); ++s) {
      for (const Print print : prints) print(out, *file.service(s));
    }
    out.Print("}  // namespace tessera\n");
  }
};

}  // namespace

int main(int argc, char** argv) {
  const TesseraGenerator generator;
  return google::protobuf::compiler::PluginMain(argc, argv, &generator);
}
