#include "collector/deployment_api.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "collector/deployments.h"
#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

using testing::HasSubstr;

class DeploymentApiTest : public testing::Test {
 protected:
  DeploymentApiTest() {
    BatchBuilder agent(1);
    agent.set_step(10);
    const std::uint32_t checkout = agent.AddInstance("checkout");
    const std::uint32_t requests = agent.AddSeries(checkout, "ppmm_instance_requests_total");
    const StreamId stream = rig_.Connect(agent).first;
    rig_.Push(stream, agent.Batch(kRigStart, 1, {{requests, 0, 7}}));
    rig_.Commit();
    AddDeploymentRoute(router_, &rig_.state(), &rig_.writer(), &rig_.clock());
  }

  http::Response Post(const std::string& body, bool socket = true) {
    http::Request request;
    request.method = http::Method::kPost;
    request.target = "/api/v1/deployments";
    request.headers.Add("host", "localhost");
    request.body = body;
    if (socket) {
      request.peer.uid = getuid();
    } else {
      request.peer.address = request.peer.local_address = "127.0.0.1";
    }
    return router_.Handle(request);
  }
  std::string At(absl::Duration ago) {
    return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", rig_.clock().Now() - ago, absl::UTCTimeZone());
  }
  std::string Error(const std::string& body, int status) {
    const http::Response response = Post(body);
    EXPECT_EQ(response.status, status) << response.body;
    const auto json = nlohmann::json::parse(response.body, nullptr, false);
    return json.is_object() ? json.value("error", "") : response.body;
  }
  std::size_t Rows() { return rig_.store().Deployments(0, INT64_MAX)->size(); }

  CollectorRig rig_;
  http::Router router_;
};

TEST_F(DeploymentApiTest, IsCommittedBeforeItIsAnsweredAndOnce) {
  const std::string body =
      absl::StrCat(R"({"application":"checkout","version":"4.2.0","at":")", At(absl::Minutes(5)), "\"}");
  const http::Response first = Post(body);
  ASSERT_EQ(first.status, 200) << first.body;
  const auto json = nlohmann::json::parse(first.body);
  EXPECT_EQ(json["application"], "checkout");
  EXPECT_EQ(json["key"], "default/checkout");
  EXPECT_EQ(json["at"], At(absl::Minutes(5)));
  EXPECT_EQ(json["is_new"], true);
  EXPECT_NE(json["told_by"], "");
  EXPECT_EQ(Rows(), 1u);
  EXPECT_EQ(nlohmann::json::parse(Post(body).body)["is_new"], false);
  EXPECT_EQ(Rows(), 1u);
  EXPECT_EQ(Post(R"({"application":"default/checkout","version":"4.3"})").status, 200) << "by its key, now";
  EXPECT_EQ(Rows(), 2u);
}

TEST_F(DeploymentApiTest, NobodyWritesOverTcp) {
  EXPECT_GE(Post(R"({"application":"checkout","version":"4.2.0"})", /*socket=*/false).status, 400);
  EXPECT_EQ(Rows(), 0u);
}

TEST_F(DeploymentApiTest, SaysWhatIsWrong) {
  EXPECT_THAT(Error(R"({"application":"chekout","version":"1"})", 404), HasSubstr("did you mean \"checkout\"?"));
  EXPECT_THAT(
      Error(absl::StrCat(R"({"application":"checkout","version":"1","at":")", At(-absl::Minutes(5)), "\"}"), 400),
      HasSubstr("in the future"));
  EXPECT_THAT(Error(absl::StrCat(R"({"application":"checkout","version":"1","at":")", At(absl::Hours(73)), "\"}"), 400),
              HasSubstr("72 hours"));
  EXPECT_THAT(Error(R"({"application":"checkout","version":"1","at":"noon"})", 400), HasSubstr("is no time"));
  EXPECT_THAT(Error(R"({"application":"checkout","version":"1\u001b[2J"})", 400), HasSubstr("is no version"));
  EXPECT_THAT(Error(absl::StrCat(R"({"application":"checkout","version":")", std::string(200, '1'), "\"}"), 400),
              HasSubstr("is no version"));
  for (const char* const body : {"", "[]", "{}", "7", R"({"application":"checkout"})",
                                 R"({"application":1,"version":2})", R"({"application":"checkout","version":"")"}) {
    EXPECT_THAT(Error(body, 400), HasSubstr("an application and a version")) << body;
  }
  EXPECT_THAT(Error(std::string(5000, ' '), 400), HasSubstr("4096"));
  EXPECT_EQ(Rows(), 0u);
}

TEST_F(DeploymentApiTest, AFullDayIsRefused) {
  {
    WriterLock lock(&rig_.state().mutex());
    const std::int64_t day = absl::ToUnixSeconds(rig_.clock().Now()) / 86400;
    rig_.state().mutable_tables().deployments_of_day[day] = kMaxDeploymentsADay;
  }
  EXPECT_THAT(Error(R"({"application":"checkout","version":"1"})", 429), HasSubstr("50,000 deployments"));
}

}  // namespace
}  // namespace ppmm
