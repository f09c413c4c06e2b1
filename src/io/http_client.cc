#include "io/http_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "io/quote.h"

namespace invar {
namespace {

namespace beast = boost::beast;
namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

constexpr uint64_t kBodyMax = uint64_t{256} << 20;

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  return code == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

// One exchange; every wait ends at the stream's deadline, or when the user has had enough.
class Exchange {
 public:
  Exchange(int64_t timeout_s, const Interrupted& interrupted) : interrupted_(interrupted), stream_(io_) {
    stream_.expires_after(std::chrono::seconds(timeout_s));
  }

  beast::error_code connect(const HttpUrl& url) {
    beast::error_code code;
    Tcp::resolver resolver(io_);
    const auto addresses = resolver.resolve(url.host, url.port, code);
    if (code) return code;
    stream_.async_connect(addresses, [&code](beast::error_code done, const auto&) { code = done; });
    return wait() ? code : asio::error::operation_aborted;
  }

  beast::error_code send(const beast::http::request<beast::http::string_body>& request) {
    beast::error_code code;
    beast::http::async_write(stream_, request, [&code](beast::error_code done, std::size_t) { code = done; });
    return wait() ? code : asio::error::operation_aborted;
  }

  beast::error_code receive(HttpReply& reply) {
    beast::error_code code;
    parser_.body_limit(kBodyMax);
    beast::http::async_read(stream_, buffer_, parser_,
                            [&code](beast::error_code done, std::size_t) { code = done; });
    if (!wait()) return asio::error::operation_aborted;
    if (!code)
      reply = {.status = static_cast<int>(parser_.get().result_int()), .body = std::move(parser_.get().body())};
    return code;
  }

 private:
  // Until what was started is done. False: interrupted; it is taken down with this, and its handler never runs.
  bool wait() {
    io_.restart();
    while (!io_.stopped()) {
      if (is_interrupted(interrupted_)) return false;
      io_.run_for(std::chrono::milliseconds(kInterruptedEveryMs));
    }
    return true;
  }

  const Interrupted& interrupted_;
  beast::flat_buffer buffer_;
  beast::http::response_parser<beast::http::string_body> parser_;
  asio::io_context io_;
  beast::tcp_stream stream_;
};

}  // namespace

Result<HttpUrl> parse_http_url(std::string_view url, std::string_view option) {
  constexpr std::string_view kScheme = "http://";
  if (url.substr(0, 8) == "https://")
    return error("{}: https is not spoken here; found {}; give the plain http:// address of the server",
                 option, quote(url));
  if (url.substr(0, kScheme.size()) != kScheme)
    return error("{}: expected http://HOST[:PORT], found {}", option, quote(url));
  const std::string_view rest = url.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  HttpUrl parsed{.host = {}, .port = "80", .path = std::string(rest.substr(slash))};
  while (!parsed.path.empty() && parsed.path.back() == '/') parsed.path.pop_back();
  std::size_t host_end = authority.rfind(':');
  const std::size_t bracket = authority.rfind(']');
  if (host_end != std::string_view::npos && (bracket == std::string_view::npos || host_end > bracket)) {
    parsed.port = std::string(authority.substr(host_end + 1));
    authority = authority.substr(0, host_end);
  }
  if (authority.size() > 2 && authority.front() == '[' && authority.back() == ']')
    authority = authority.substr(1, authority.size() - 2);
  parsed.host = std::string(authority);
  const bool plain = std::all_of(rest.begin(), rest.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (parsed.host.empty() || parsed.host.find('@') != std::string::npos || !is_port(parsed.port) || !plain)
    return error("{}: expected http://HOST[:PORT], found {}", option, quote(url));
  return parsed;
}

std::string HttpClient::address() const {
  const bool v6 = url_.host.find(':') != std::string::npos;
  return fmt::format("http://{}{}{}:{}{}", v6 ? "[" : "", url_.host, v6 ? "]" : "", url_.port, url_.path);
}

Result<HttpReply> HttpClient::request(std::string_view target, std::string body,
                                      const Interrupted& interrupted) const {
  namespace http = beast::http;
  const std::string path = url_.path.empty() && target.empty() ? "/" : url_.path + std::string(target);
  http::request<http::string_body> request{body.empty() ? http::verb::get : http::verb::post, path, 11};
  request.set(http::field::host, url_.host + ":" + url_.port);
  request.set(http::field::user_agent, "invar");
  request.set(http::field::connection, "close");
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.body() = std::move(body);
  request.prepare_payload();

  Exchange exchange(limit_.seconds, interrupted);
  HttpReply reply;
  beast::error_code code = exchange.connect(url_);
  const char* what = "cannot connect to";
  if (!code) {
    what = "cannot send to";
    code = exchange.send(request);
  }
  if (!code) {
    what = "expected an HTTP answer from";
    code = exchange.receive(reply);
  }
  if (code == asio::error::operation_aborted && is_interrupted(interrupted)) return error("interrupted");
  if (code == beast::error::timeout)
    return error("{}{}: no answer in {} s; {} sets how long to wait", address(), target, limit_.seconds,
                 limit_.option);
  if (code == http::error::body_limit)
    return error("{}{}: expected at most {} MiB, found more", address(), target, kBodyMax >> 20);
  if (code) return error("{} {}{}: {}", what, address(), target, code.message());
  return reply;
}

}  // namespace invar
