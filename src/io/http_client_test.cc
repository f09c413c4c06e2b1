#include "io/http_client.h"

#include <gtest/gtest.h>

#include "io/http_testing.h"

namespace invar {
namespace {

TEST(HttpUrl, IsReadOrRefusedWithWhatWasExpected) {
  const auto url = parse_http_url("http://host.example:8000/prefix/", "--url");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->host, "host.example");
  EXPECT_EQ(url->port, "8000");
  EXPECT_EQ(url->path, "/prefix");
  EXPECT_EQ(parse_http_url("http://h", "--url")->port, "80");
  EXPECT_EQ(parse_http_url("http://[::1]:30000", "--url")->host, "::1");
  EXPECT_EQ(HttpClient(*parse_http_url("http://[::1]:3", "--url"), {1, "--timeout"}).address(),
            "http://[::1]:3");
  for (const char* bad :
       {"", "h:1", "https://h", "http://", "http://:80", "http://h:", "http://h:x", "http://h:0",
        "http://h:65536", "http://a@h", "http://h h", "ftp://h", "http://h\r\nX: y"}) {
    const auto refused = parse_http_url(bad, "reward.url");
    ASSERT_FALSE(refused.ok()) << bad;
    EXPECT_EQ(refused.message().rfind("reward.url: ", 0), 0u) << refused.message();
  }
}

HttpClient client_of(const HttpTestServer& server) {
  return HttpClient(*parse_http_url(server.url() + "/prefix", "--url"), {1, "--timeout"});
}

TEST(HttpClient, PostsJsonAndGetsWithoutABody) {
  HttpRequestSeen seen;
  HttpTestServer server([&seen](const HttpRequestSeen& request) {
    seen = request;
    return HttpAnswer{.status = 202, .body = "reply"};
  });
  const auto reply = client_of(server).request("/path", R"({"a":1})");
  ASSERT_TRUE(reply.ok()) << reply.message();
  EXPECT_EQ(reply->status, 202);
  EXPECT_EQ(reply->body, "reply");
  EXPECT_EQ(seen.method + " " + seen.target + " " + seen.content_type + " " + seen.body,
            R"(POST /prefix/path application/json {"a":1})");
  ASSERT_TRUE(client_of(server).request("/", "").ok());
  EXPECT_EQ(seen.method, "GET");
}

TEST(HttpClient, SilenceAndRubbishAreErrorsThatNameTheServer) {
  HttpTestServer silent([](const HttpRequestSeen&) { return HttpAnswer{.hang = true}; });
  EXPECT_EQ(client_of(silent).request("/x", "{}").message(),
            silent.url() + "/prefix/x: no answer in 1 s; --timeout sets how long to wait");
  HttpTestServer rubbish([](const HttpRequestSeen&) { return HttpAnswer{.raw = "what?\n\n"}; });
  EXPECT_NE(client_of(rubbish).request("/x", "{}").message().find("expected an HTTP answer from"),
            std::string::npos);
  std::string gone;
  {
    HttpTestServer server([](const HttpRequestSeen&) { return HttpAnswer{}; });
    gone = server.url();
  }
  EXPECT_NE(HttpClient(*parse_http_url(gone, "--url"), {1, ""})
                .request("/", "")
                .message()
                .find("cannot connect to"),
            std::string::npos);
}

}  // namespace
}  // namespace invar
