#include "collector/http/router.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm::http {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

Request FromTcp(absl::string_view target, Method method = Method::kGet) {
  Request request;
  request.method = method;
  request.target = std::string(target);
  request.peer.address = "192.0.2.7";
  request.peer.local_address = "192.0.2.1";
  request.headers.Add("host", "localhost:7766");
  return request;
}

Request FromSocket(absl::string_view target, Method method = Method::kGet) {
  Request request;
  request.method = method;
  request.target = std::string(target);
  request.peer.uid = 1000;
  return request;
}

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    const auto name = [](absl::string_view text) { return [=](Request&) { return TextResponse(200, text); }; };
    router_.Add(Method::kGet, "/", name("page"));
    router_.Add(Method::kGet, "/metrics", name("metrics"));
    router_.Add(Method::kGet, "/api/v1/activities", name("list"));
    router_.Add(Method::kGet, "/api/v1/activities/{id}",
                [](Request& request) {
                  return TextResponse(
                      200, absl::StrCat(request.path.GetOr("id", "?"), " at ", request.query.GetOr("at", "now")));
                },
                Access::kDefault, {"at", "window"});
    router_.Add(Method::kPost, "/api/v1/reload", name("reloaded"));
    router_.Add(Method::kGet, "/api/v1/ledger/raw", name("raw"), Access::kSocketOnly);
    router_.Add(Method::kPost, "/ack/{token}", name("acknowledged"), Access::kAnywhere);
  }

  Response Handle(Request request) const { return router_.Handle(request); }

  Router router_{AllowedNames({"Monitor.example.org", "192.0.2.9"})};
};

TEST_F(RouterTest, FindsLiteralAndNamedSegments) {
  EXPECT_EQ(Handle(FromTcp("/")).body, "page\n");
  EXPECT_EQ(Handle(FromTcp("/api/v1/activities")).body, "list\n");
  EXPECT_EQ(Handle(FromTcp("/api/v1/activities/RSP-101?at=2026-01-02")).body, "RSP-101 at 2026-01-02\n");
  EXPECT_EQ(Handle(FromTcp("/api/v1/activities/a%2Fb")).body, "a/b at now\n");
}

TEST_F(RouterTest, AGetRouteAnswersHead) {
  EXPECT_EQ(Handle(FromTcp("/metrics", Method::kHead)).status, 200);
}

TEST_F(RouterTest, AnUnknownPathIs404InTheFormOfItsArea) {
  const Response api = Handle(FromTcp("/api/v1/rating%22x"));
  EXPECT_EQ(api.status, 404);
  EXPECT_EQ(api.content_type, "application/json");
  EXPECT_THAT(api.body, HasSubstr(R"("error")"));
  EXPECT_THAT(api.body, HasSubstr(R"(rating\"x)"));
  const Response text = Handle(FromTcp("/activities"));
  EXPECT_EQ(text.status, 404);
  EXPECT_THAT(text.content_type, HasSubstr("text/plain"));
}

TEST_F(RouterTest, AnUnknownPathNamesTheNearest) {
  EXPECT_THAT(Handle(FromTcp("/api/v1/activites")).body, HasSubstr(R"(did you mean \"/api/v1/activities\")"));
  EXPECT_THAT(Handle(FromTcp("/metrcs")).body, HasSubstr("did you mean \"/metrics\""));
  EXPECT_THAT(Handle(FromTcp("/something/else")).body, Not(HasSubstr("did you mean")));
}

TEST_F(RouterTest, AnEmptySegmentIsNoParameter) {
  EXPECT_EQ(Handle(FromTcp("/api/v1/activities/")).status, 404);
}

TEST_F(RouterTest, AParameterThatARouteDoesNotUnderstandIs400) {
  const Response one = Handle(FromTcp("/api/v1/activities/RSP-101?windw=60s"));
  EXPECT_EQ(one.status, 400);
  EXPECT_THAT(one.body, AllOf(HasSubstr(R"(\"windw\" is not understood here; there is at, window)"),
                              HasSubstr(R"(did you mean \"window\")")));
  const Response none = Handle(FromTcp("/api/v1/activities?at=2026-01-02"));
  EXPECT_EQ(none.status, 400);
  EXPECT_THAT(none.body, HasSubstr(R"(\"at\" is not understood here; there is none)"));
  EXPECT_EQ(Handle(FromTcp("/?at=1")).status, 400);
  EXPECT_EQ(Handle(FromTcp("/metrics?x")).status, 400);
  EXPECT_THAT(Handle(FromTcp("/metrics?%1bx=1")).body, Not(HasSubstr("\x1b")));
  EXPECT_THAT(Handle(FromTcp("/api/v1/activities/RSP-101?at=1&at=2")).body, HasSubstr("given twice"));
}

TEST_F(RouterTest, AMalformedAddressIs400) {
  EXPECT_EQ(Handle(FromTcp("/%zz")).status, 400);
  EXPECT_EQ(Handle(FromTcp("http://localhost/")).status, 400);
}

TEST_F(RouterTest, OverTcpOnlyReadingIsAnswered) {
  const Response reload = Handle(FromTcp("/api/v1/reload", Method::kPost));
  EXPECT_EQ(reload.status, 405);
  EXPECT_THAT(reload.body, HasSubstr("Unix socket"));
  const Response page = Handle(FromTcp("/", Method::kDelete));
  EXPECT_EQ(page.status, 405);
  EXPECT_THAT(page.headers, Contains(Pair("Allow", "GET, HEAD")));
  EXPECT_EQ(Handle(FromTcp("/api/v1/ledger/raw")).status, 403);
  EXPECT_EQ(Handle(FromTcp("/ack/abc", Method::kPost)).status, 200);
}

TEST_F(RouterTest, TheSocketMayWriteAndNeedsNoHost) {
  EXPECT_EQ(Handle(FromSocket("/api/v1/reload", Method::kPost)).status, 200);
  EXPECT_EQ(Handle(FromSocket("/api/v1/ledger/raw")).status, 200);
  EXPECT_EQ(Handle(FromSocket("/metrics", Method::kPost)).status, 405);
}

TEST_F(RouterTest, AForeignHostIsRefusedWithTheCure) {
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.2:7766", "", "[::1", "localhost:x",
                           "localhost:7766:1", "192.0.2.2"}) {
    Request request = FromTcp("/metrics");
    request.headers = {};
    request.headers.Add("host", host);
    const Response response = Handle(request);
    EXPECT_EQ(response.status, 421) << host;
    EXPECT_THAT(response.body, AllOf(HasSubstr("Host"), HasSubstr(host), HasSubstr("http.names")));
  }
}

TEST_F(RouterTest, OwnNamesAndTheAddressConnectedToPass) {
  for (const char* host : {"localhost", "LOCALHOST:1", "localhost.", "monitor.example.org", "MONITOR.example.org:443",
                           "192.0.2.1:7766", "192.0.2.9"}) {
    Request request = FromTcp("/metrics");
    request.headers = {};
    request.headers.Add("host", host);
    EXPECT_EQ(Handle(request).status, 200) << host;
  }
  Request request = FromTcp("/metrics");
  request.headers = {};
  request.headers.Add("host", "[2001:db8::1]:7766");
  request.peer.local_address = "2001:db8::1";
  EXPECT_EQ(Handle(request).status, 200);
}

TEST_F(RouterTest, AForeignOriginIsRefusedWithTheCure) {
  for (const char* origin : {"https://evil.example", "null", "localhost", "file://", "http://localhost@evil.example"}) {
    Request request = FromTcp("/metrics");
    request.headers.Add("origin", origin);
    const Response response = Handle(request);
    EXPECT_EQ(response.status, 403) << origin;
    EXPECT_THAT(response.body, AllOf(HasSubstr("Origin"), HasSubstr(origin), HasSubstr("http.names")));
  }
  Request own = FromTcp("/metrics");
  own.headers.Add("origin", "https://monitor.example.org");
  EXPECT_EQ(Handle(own).status, 200);
}

TEST_F(RouterTest, NamesCanChangeWhileRunning) {
  Request request = FromTcp("/metrics");
  request.headers = {};
  request.headers.Add("host", "new.example.org");
  EXPECT_EQ(Handle(request).status, 421);
  router_.SetNames(AllowedNames({"new.example.org"}));
  EXPECT_EQ(Handle(request).status, 200);
}

TEST(ThisHostNames, HaveNoPortAndNoUpperCase) {
  for (const std::string& name : ThisHostNames()) {
    EXPECT_EQ(HostOfAuthority(name), name);
  }
}

}  // namespace
}  // namespace ppmm::http
