// A small HTTP/1.1 client: one request a connection, bounded bodies, a time limit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace invar {

struct HttpUrl {
  std::string host;
  std::string port;  // "80" where the URL has none
  std::string path;  // "" or "/prefix", without a slash at the end
};

// "http://host", "http://host:port/prefix", "http://[::1]:port". Errors: https and other schemes, no host, a port that
// is none.
Result<HttpUrl> parse_http_url(std::string_view url);

struct HttpReply {
  int status;
  std::string body;
};

// Safe to use from several threads: it holds nothing that changes.
class HttpClient {
 public:
  HttpClient(HttpUrl url, int64_t timeout_s) : url_(std::move(url)), timeout_s_(timeout_s) {}

  // `target` begins with a slash and comes after the URL's path. An empty body is a GET, any other a POST of JSON.
  // Errors, each with the address: no such host, nobody listens, no answer in time, no HTTP, a body that is too large.
  Result<HttpReply> request(std::string_view target, std::string body) const;

  std::string address() const;  // "http://host:port/prefix"

 private:
  HttpUrl url_;
  int64_t timeout_s_;
};

}  // namespace invar
