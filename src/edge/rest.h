#pragma once
// The REST door: every method that has a path in its .proto becomes a route.

#include <vector>

#include "edge/router_http.h"
#include "rpc/binding.h"

namespace tessera {

/// Adds a route for each binding with a REST path. Path segments and query parameters fill the
/// request's fields, a POST's JSON body the others; streams become text/event-stream, one message
/// an event, an error as the event "error". `bindings` are copied; what they call outlives the
/// routes.
void AddRestRoutes(const std::vector<MethodBinding>& bindings, HttpRoutes& routes);

/// A handler that makes requests to calls of one method, as AddRestRoutes has them. Every named
/// segment of its route must be a field of the request.
RouteHandler RestHandler(MethodBinding binding);

/// Items of a stream as events "data: {JSON}"; an error becomes the event "error" with a problem
/// document, and ends it.
StreamPtr<std::string> EventsOf(StreamPtr<MessagePtr> items);

}  // namespace tessera
