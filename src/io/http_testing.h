// An HTTP server of this process for tests: one connection at a time, what it answers is a function of the test's.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <functional>
#include <string>
#include <thread>
#include <utility>

namespace invar {

struct HttpRequestSeen {
  std::string method;
  std::string target;
  std::string content_type;
  std::string body;
};

struct HttpAnswer {
  unsigned status = 200;
  std::string body;
  std::string raw;    // instead of an HTTP reply, where not empty
  bool hang = false;  // says nothing until the client goes away
};

class HttpTestServer {
 public:
  using Handler = std::function<HttpAnswer(const HttpRequestSeen&)>;

  explicit HttpTestServer(Handler handler)
      : handler_(std::move(handler)),
        acceptor_(io_, {boost::asio::ip::address_v4::loopback(), 0}),
        thread_([this] { serve(); }) {}

  ~HttpTestServer() {
    stop_ = true;
    boost::system::error_code code;
    boost::asio::ip::tcp::socket(io_).connect(acceptor_.local_endpoint(), code);  // wakes accept()
    thread_.join();
  }
  HttpTestServer(const HttpTestServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }

 private:
  void serve() {
    while (!stop_) {
      boost::system::error_code code;
      boost::asio::ip::tcp::socket socket(io_);
      acceptor_.accept(socket, code);
      if (!code && !stop_) answer(socket);
    }
  }

  void answer(boost::asio::ip::tcp::socket& socket) {
    namespace http = boost::beast::http;
    boost::system::error_code code;
    boost::beast::flat_buffer buffer;
    http::request<http::string_body> request;
    http::read(socket, buffer, request, code);
    if (code) return;
    const auto text = [](boost::beast::string_view view) { return std::string(view.data(), view.size()); };
    const HttpAnswer answer = handler_({.method = text(request.method_string()),
                                        .target = text(request.target()),
                                        .content_type = text(request[http::field::content_type]),
                                        .body = request.body()});
    if (answer.hang) {
      char byte;
      socket.read_some(boost::asio::buffer(&byte, 1), code);  // returns when the client closes
    } else if (!answer.raw.empty()) {
      boost::asio::write(socket, boost::asio::buffer(answer.raw), code);
    } else {
      http::response<http::string_body> response{http::int_to_status(answer.status), 11};
      response.body() = answer.body;
      response.prepare_payload();
      http::write(socket, response, code);
    }
    socket.shutdown(boost::asio::ip::tcp::socket::shutdown_both, code);
  }

  Handler handler_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace invar
