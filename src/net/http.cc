#include "net/http.h"

#include <array>

#include "net/uri.h"

namespace tessera {
namespace {

constexpr std::array<std::string_view, 7> kMethods = {"GET",   "HEAD",   "POST",   "PUT",
                                                      "PATCH", "DELETE", "OPTIONS"};

}  // namespace

std::string_view Name(HttpMethod method) { return kMethods[static_cast<std::size_t>(method)]; }

std::optional<HttpMethod> ParseMethod(std::string_view name) {
  for (std::size_t i = 0; i < kMethods.size(); ++i) {
    if (kMethods[i] == name) return static_cast<HttpMethod>(i);
  }
  return std::nullopt;
}

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "";
  }
}

std::string_view HttpRequest::Param(std::string_view name) const {
  for (const auto& [key, value] : params) {
    if (key == name) return value;
  }
  return {};
}

std::optional<std::string> HttpRequest::Query(std::string_view name) const {
  const auto pairs = ParseQuery(query);
  if (!pairs.ok()) return std::nullopt;
  for (const auto& [key, value] : *pairs) {
    if (key == name) return value;
  }
  return std::nullopt;
}

HttpReply HttpReply::Empty(int status) {
  HttpReply reply;
  reply.status = status;
  return reply;
}

HttpReply HttpReply::Text(int status, std::string text, std::string_view media_type) {
  HttpReply reply;
  reply.status = status;
  reply.headers.Add("content-type", media_type);
  reply.body = std::move(text);
  return reply;
}

HttpReply HttpReply::Json(int status, std::string json) {
  return Text(status, std::move(json), "application/json");
}

HttpReply HttpReply::Redirect(int status, std::string_view location) {
  HttpReply reply;
  reply.status = status;
  reply.headers.Add("location", location);
  return reply;
}

HttpReply HttpReply::Streamed(int status, std::string_view media_type,
                              StreamPtr<std::string> pieces) {
  HttpReply reply;
  reply.status = status;
  reply.headers.Add("content-type", media_type);
  reply.body = std::move(pieces);
  return reply;
}

HttpReply HttpReply::EventStream(StreamPtr<std::string> events) {
  HttpReply reply = Streamed(200, "text/event-stream; charset=utf-8", std::move(events));
  reply.headers.Add("cache-control", "no-cache");
  reply.headers.Add("x-accel-buffering", "no");
  return reply;
}

}  // namespace tessera
