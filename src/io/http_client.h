// A small HTTP/1.1 client: one request a connection, bounded bodies, a time limit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/interrupted.h"
#include "base/result.h"

namespace invar {

struct HttpUrl {
  std::string host;
  std::string port;  // "80" where the URL has none
  std::string path;  // "" or "/prefix", without a slash at the end
};

// "http://host", "http://host:port/prefix", "http://[::1]:port". Errors, which begin with `option`, the name under
// which the user gave it ("--url"): https and other schemes, no host, a port that is none.
Result<HttpUrl> parse_http_url(std::string_view url, std::string_view option);

struct HttpReply {
  int status;
  std::string body;
};

struct HttpTimeLimit {
  int64_t seconds;
  std::string option;  // what the user sets it with ("--timeout"), for the error when it has passed
};

// Safe to use from several threads: it holds nothing that changes.
class HttpClient {
 public:
  HttpClient(HttpUrl url, HttpTimeLimit limit) : url_(std::move(url)), limit_(std::move(limit)) {}

  // `target` comes after the URL's path; it begins with a slash, or is empty for that path itself. An empty body is a
  // GET, any other a POST of JSON. Errors, each with the address: no such host, nobody listens, no answer in time, no
  // HTTP, a body that is too large; "interrupted" (the look-up of a host's name is waited for all the same).
  Result<HttpReply> request(std::string_view target, std::string body, const Interrupted& interrupted = {}) const;

  std::string address() const;  // "http://host:port/prefix"

 private:
  HttpUrl url_;
  HttpTimeLimit limit_;
};

}  // namespace invar
