#pragma once
// Routes of the HTTP edge: what each path does, needs and says about itself.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "net/http.h"
#include "net/http_error.h"

namespace google::protobuf {
class Descriptor;
}

namespace tessera {

/// In whose words errors of a route are told.
enum class ErrorShape : std::uint8_t {
  kProblem,  ///< RFC 9457: {"type","title","status","detail","instance","errors":[…]}
  kOpenAi,   ///< {"error":{"message","type","param","code"}}
  kOpea,     ///< {"detail": …}, as FastAPI has it: a text, or a list [{"type","loc","msg"}] at 422
};

/// What /openapi.json says about a route.
struct RouteDoc {
  std::string summary;      ///< one line; needed
  std::string description;  ///< Markdown
  std::string tag;          ///< group: "openai", "opea", "documents" …
  const google::protobuf::Descriptor* request = nullptr;  ///< body as protobuf-JSON
  const google::protobuf::Descriptor* reply = nullptr;
  std::string request_schema;  ///< body as a JSON Schema (JSON text), where there is no message
  std::string reply_schema;
  std::string request_media_type = "application/json";
  std::string reply_media_type = "application/json";  ///< empty: any, Accept is not looked at
  std::string request_example;                        ///< JSON text
  std::string reply_example;                          ///< JSON text
  std::string stream_example;                         ///< events, where the reply may be a stream
  std::string form_schema;        ///< of a form that may be sent instead, as a JSON Schema
  bool reply_may_stream = false;  ///< the reply may be a text/event-stream
};

/// Answers a request. An error becomes a reply in the route's shape; an error with fields
/// (base/field_error.h) says where; WithHttpStatus and WithRetryAfter (net/http_error.h) choose the
/// rest. Runs on an io loop: no blocking. May be a lambda that captures, as long as it is not
/// itself a coroutine: [this](Ctx c, HttpRequest r) { return Chat(std::move(c), std::move(r)); }
using RouteHandler = std::function<Task<Result<HttpReply>>(Ctx ctx, HttpRequest request)>;

/// One method of one path. Aggregate: fill by name.
struct Route {
  HttpMethod method = HttpMethod::kGet;
  /// "/v1/models/{model}"; a last segment {name*} takes the rest of the path. A literal segment
  /// goes before a named one.
  std::string pattern;
  RouteHandler handler;
  /// Permission the caller must hold ("retrieval.read"). Needed unless `open`.
  std::string scope;
  bool open = false;  ///< anybody may call it, without a key
  ErrorShape errors = ErrorShape::kProblem;
  BodyKind body = BodyKind::kNone;
  std::uint64_t body_max = std::uint64_t{4} << 20;  ///< bytes, decoded
  /// Not 0: a multipart/form-data body of so many bytes is taken too, and comes as a stream.
  std::uint64_t form_max = 0;
  /// Media types that a body may have, without parameters; empty: any. A missing Content-Type
  /// counts as the first.
  std::vector<std::string> media_types = {"application/json"};
  std::uint32_t in_flight_max = 0;     ///< at once; 0: only the server's own limit
  Duration timeout = Duration::max();  ///< until the handler has replied
  RouteDoc doc;
};

/// The routes of a server. Add them all before serving; after that it is read-only and thread-safe.
class HttpRoutes {
 public:
  struct Match {
    const Route* route = nullptr;  ///< nullptr: see allow
    /// Methods that the path has, "GET, HEAD, POST"; empty: there is no such path.
    std::string allow;
    ErrorShape errors =
        ErrorShape::kProblem;  ///< of the path's routes, also when the method is wrong
  };

  HttpRoutes();
  ~HttpRoutes();
  HttpRoutes(HttpRoutes&&) noexcept;
  HttpRoutes& operator=(HttpRoutes&&) noexcept;

  /// A bad pattern, a second route of the same method and path, or one that is neither open nor
  /// has a scope is a CHECK.
  void Add(Route route);
  /// Finds the route of a decoded path and sets `params`. HEAD finds GET routes. `fallback` routes
  /// (SetFallback) are found by GET where nothing else matches.
  Match Find(HttpMethod method, std::string_view path,
             std::vector<std::pair<std::string, std::string>>& params) const;
  /// Serves GET of paths nobody else has (the page), but for those of the APIs (/api/, /v1/).
  void SetFallback(Route route);
  const std::vector<std::unique_ptr<Route>>& all() const { return routes_; }
  /// Of SetFallback, or nullptr.
  const Route* fallback() const { return fallback_.get(); }

 private:
  struct Node;
  std::vector<std::unique_ptr<Route>> routes_;
  std::unique_ptr<Node> root_;
  std::unique_ptr<Route> fallback_;
};

}  // namespace tessera
