#include "collector/web/page.h"

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "openssl/sha.h"

namespace ppmm {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

PageData Sample() {
  PageData data;
  data.organization = "Example Ltd";
  data.version = "0.1.0";
  data.now = absl::FromCivil(absl::CivilMinute(2026, 11, 22, 14, 5), absl::UTCTimeZone());
  data.troubles = {{"http", "everybody reads <it>", "listen on 127.0.0.1"}};
  data.published = "1";
  data.label = "1 (observing, earliest 2.1 on 10 Dec)";
  data.provisional = "2.2";
  data.provisional_label = "2.2 once 2 acts are done";
  data.provisional_minutes = 34;
  data.ladder = {{"2.1", "Utilization and throughput", 0.78, 0.92, ""},
                 {"3", "Performance engineering", std::nullopt, std::nullopt, "no releases seen"}};
  data.blockers = {{"INV-001", "management", "inventory is not confirmed", 2, "ppmm inventory confirm"},
                   {"ALR-002", "operations", "no alert has ever reached a person", 5, "ppmm explain ALR-002"},
                   {"INV-002", "management", "tiers are missing", 10, ""}};
  data.activities = {{"INV-001", "Inventory", "2.1", "plan", true, "not_satisfied", 0.5, std::nullopt, "2 of 4"},
                     {"ALR-002", "Alerts arrive", "2.1", "operate", true, "satisfied", 1, std::nullopt, ""},
                     {"IMP-003", "Tuning", "3", "implementation", false, "undecided", std::nullopt,
                      data.now + absl::Hours(24 * 7), ""}};
  PageData::Application nginx;
  nginx.name = "nginx";
  nginx.origin = "off_the_shelf";
  nginx.evidence = "Debian package nginx 1.22.1";
  nginx.throughput_per_second = 412;
  nginx.throughput_of = "requests";
  nginx.p50_seconds = 0.0003;
  nginx.p95_seconds = 0.0019;
  nginx.p99_seconds = 0.0072;
  nginx.cpu_cores = 0.08;
  nginx.resident_memory_bytes = 12.0 * 1024 * 1024;
  nginx.hosts = {"web1", "web2", "web3"};
  PageData::Application batch;
  batch.name = "batch";
  batch.origin = "in_house";
  batch.throughput_reason = "no listener";
  batch.response_time_reason = "no request in this minute";
  batch.usage_reason = "not read yet";
  data.applications = {nginx, batch};
  PageData::Host host;
  host.label = "web1";
  host.state = "live";
  host.cpu_used_cores = 0.62;
  host.cpu_cores = 4;
  host.memory_used_bytes = 3.1 * 1024 * 1024 * 1024;
  host.memory_bytes = 7.6 * 1024 * 1024 * 1024;
  host.exhaustion = "in 12 d (/var)";
  host.capture = "tracepoints";
  host.last_seen = data.now - absl::Seconds(40);
  data.hosts = {host};
  return data;
}

TEST(Page, TellsWhatIsWrongWithTheCollector) {
  EXPECT_THAT(RenderPage(Sample()),
              HasSubstr("<strong>This collector, http:</strong> everybody reads &lt;it&gt;; listen on 127.0.0.1</p>"));
}

TEST(Page, ShowsTheAnswerFirst) {
  const std::string html = RenderPage(Sample());
  EXPECT_THAT(html, AllOf(HasSubstr("<title>Example Ltd: level 1</title>"), HasSubstr("earliest 2.1 on 10 Dec"),
                          HasSubstr("2.2 once 2 acts are done"), HasSubstr("78–92 %"), HasSubstr("no releases seen")));
  EXPECT_LT(html.find("Published level"), html.find("What stops you</h2>"));
}

TEST(Page, WhyNoResponseTimeIsKnownIsSaidOnceIfItIsTheSameForAll) {
  PageData data = Sample();
  data.applications = {data.applications[1], data.applications[1]};
  std::string html = RenderPage(data);
  EXPECT_THAT(html, HasSubstr("of the last 60 s. –: no request in this minute.</p>"));
  EXPECT_THAT(html, Not(HasSubstr("<small>no request in this minute</small>")));
  data.applications[1].response_time_reason = "not seen";
  html = RenderPage(data);
  EXPECT_THAT(html, AllOf(HasSubstr("<small>no request in this minute</small>"), HasSubstr("<small>not seen</small>")));
  EXPECT_THAT(html, Not(HasSubstr("–: no request")));
}

TEST(Page, GroupsWhatBlocksByRoleWithItsWork) {
  const std::string html = RenderPage(Sample());
  EXPECT_THAT(html, AllOf(HasSubstr("management <span>2 acts, 12 min</span>"),
                          HasSubstr("operations <span>1 act, 5 min</span>"),
                          HasSubstr("<code class=\"cmd\">ppmm inventory confirm</code>"),
                          HasSubstr("href=\"/api/v1/activities/INV-001\"")));
}

TEST(Page, ShowsFiguresInNaturalUnits) {
  const std::string html = RenderPage(Sample());
  EXPECT_THAT(html,
              AllOf(HasSubstr("412<span class=\"of\">requests/s</span>"), HasSubstr("0.3 ms"), HasSubstr("7.2 ms"),
                    HasSubstr("12.0 MiB"), HasSubstr("and 1 more"), HasSubstr("Debian package nginx 1.22.1")));
  EXPECT_THAT(html, AllOf(HasSubstr("0.62<span class=\"of\">of 4</span>"), HasSubstr("in 12 d (/var)"),
                          HasSubstr("40 s ago"), HasSubstr("3.1 GiB<span class=\"of\">of 7.6 GiB</span>")));
}

TEST(Page, WhatIsUnknownIsADashWithItsReasonAndNeverZero) {
  PageData data = Sample();
  data.hosts.clear();
  const std::string html = RenderPage(data);
  EXPECT_THAT(html, AllOf(HasSubstr("–</span><small>no listener</small>"),
                          HasSubstr("–</span><small>no request in this minute</small>"),
                          HasSubstr("–</span><small>not read yet</small>")));
  EXPECT_THAT(html, Not(HasSubstr(">0.00<")));
}

TEST(Page, AnEmptyCollectorSaysWhatIsMissing) {
  PageData data;
  data.rating_reason = "the first minute is not over";
  data.applications_reason = "Start an agent.";
  data.hosts_reason = "No agent has connected.";
  const std::string html = RenderPage(data);
  EXPECT_THAT(html,
              AllOf(HasSubstr("not rated yet"), HasSubstr("the first minute is not over"), HasSubstr("Start an agent."),
                    HasSubstr("No agent has connected."), HasSubstr("This organization")));
  EXPECT_THAT(html, Not(HasSubstr("id=\"activities\"")));
}

TEST(Page, WithoutAFullMinuteNoProvisionalLevelIsShown) {
  PageData data = Sample();
  data.provisional = "1";
  data.provisional_label = "the first full minute ends at 10:05";
  data.provisional_minutes = 0;
  const std::string html = RenderPage(data);
  EXPECT_THAT(html, AllOf(HasSubstr("<div class=\"big\">–</div><h3>Provisional"),
                          HasSubstr("the first full minute ends at 10:05"), Not(HasSubstr("of evidence"))));
}

TEST(Page, StatesHaveAWordAndAShape) {
  const std::string html = RenderPage(Sample());
  EXPECT_THAT(html, HasSubstr("<use href=\"#i-not_satisfied\"/></svg>INV-001<span class=\"vh\"> fails</span>"));
  EXPECT_THAT(html, HasSubstr("Tuning: waits for time until 29 Nov 2026"));
  EXPECT_THAT(html, HasSubstr("1 of 2 satisfied"));
}

TEST(Page, AnUnknownStatusIsNoSource) {
  PageData data = Sample();
  data.activities[0].status = "\" onclick=\"x";
  const std::string html = RenderPage(data);
  EXPECT_THAT(html, AllOf(HasSubstr("#i-no_source"), Not(HasSubstr("onclick"))));
}

TEST(Page, HostileNamesStayTextWhereverTheyStand) {
  for (const std::string& name :
       {std::string("<script>alert(1)</script>"), std::string("\"><img src=x onerror=y>"), std::string("' onclick='x"),
        std::string("a\0b\r\n\x1b[31m", 10), std::string("safe\u202Egpj.exe"), std::string(100'000, '<'),
        std::string("\xff\xfe"), std::string("javascript:alert(1)"), std::string("</style><script>")}) {
    PageData data = Sample();
    data.organization = data.version = data.label = data.provisional_label = name;
    data.published = data.provisional = data.rating_reason = data.watch_reason = name;
    data.watch = true;
    data.ladder = {{name, name, std::nullopt, std::nullopt, name}};
    data.blockers = {{name, name, name, 1, name}};
    data.activities = {{name, name, name, "plan", true, name, 0.5, std::nullopt, name}};
    PageData::Application application;
    application.name = application.origin = application.evidence = application.throughput_of = name;
    application.throughput_reason = application.response_time_reason = application.usage_reason = name;
    application.throughput_per_second = 1;
    application.hosts = {name, name};
    data.applications = {application};
    PageData::Host host;
    data.declared_by = name;
    data.declarations = {{name, name, name}};
    host.label = host.state = host.usage_reason = host.capture = host.capture_reason = name;
    data.hosts = {host};
    const std::string html = RenderPage(data);
    EXPECT_THAT(html, Not(HasSubstr("<script")));
    EXPECT_THAT(html, Not(HasSubstr("<img")));
    EXPECT_THAT(html, Not(ContainsRegex("=\"[^\"]*\"[^ />][^>]*onerror"))) << name;
    EXPECT_THAT(html, Not(HasSubstr("' onclick")));
    EXPECT_THAT(html, Not(HasSubstr("href=\"javascript")));
    EXPECT_THAT(html, Not(HasSubstr("\u202E")));
    EXPECT_THAT(html, Not(HasSubstr("\x1b")));
    EXPECT_EQ(html.find('\0'), std::string::npos);
    EXPECT_LT(html.size(), 100'000u) << "long names must be cut";
  }
}

TEST(Page, WhatIsDeclaredStandsWithItsAuthorBesideWhatCounts) {
  EXPECT_THAT(RenderPage(Sample()), Not(HasSubstr("What people declare")));
  PageData data = Sample();
  data.applications[0].declared = true;
  data.declared_by = "/etc/ppmm/inventory.yaml";
  data.declarations = {{"nginx", "in house", "off the shelf"}, {"network 192.0.2.0/24", "own", ""}};
  const std::string html = RenderPage(data);
  EXPECT_THAT(html,
              AllOf(HasSubstr("/etc/ppmm/inventory.yaml"), HasSubstr(", not confirmed."), HasSubstr("in house"),
                    HasSubstr("<td class=\"mid\">off the shelf</td>"), HasSubstr("<td class=\"mid\">the same</td>"),
                    HasSubstr("off the shelf<small>declared, not confirmed</small>")));
}

TEST(Page, LongListsAreCutAndTheRestIsNamed) {
  PageData data = Sample();
  data.applications.assign(5'000, data.applications[0]);
  data.applications_total = 100'000;
  data.hosts.assign(300, data.hosts[0]);
  data.declarations.assign(250, {"a", "tier 1", "tier 2"});
  const std::string html = RenderPage(data);
  EXPECT_THAT(html, AllOf(HasSubstr("99,800 more applications"), HasSubstr("100 more hosts"),
                          HasSubstr("50 more declarations")));
  EXPECT_LT(html.size(), 400'000u);
}

TEST(Page, LeadsToTheSameAsData) {
  const std::string page = RenderPage(Sample());
  for (const char* const path :
       {"rating", "next-steps", "activities", "applications", "dependencies", "releases", "hosts", "status"}) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat("<a href=\"/api/v1/", path, "\">")));
  }
}

TEST(Page, HasNeitherScriptNorStyleAttributesNorForeignAddresses) {
  const std::string html = RenderPage(Sample());
  for (const char* forbidden : {"<script", "style=", "onload", "src=", "@import", "https://"}) {
    EXPECT_THAT(html, Not(HasSubstr(forbidden))) << forbidden;
  }
}

TEST(Page, ThePolicyAllowsExactlyItsStyleSheet) {
  const http::Response response = PageResponse(Sample());
  const size_t begin = response.body.find("<style>") + 7;
  const std::string style = response.body.substr(begin, response.body.find("</style>") - begin);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(style.data()), style.size(), digest);
  const std::string hash = absl::Base64Escape({reinterpret_cast<const char*>(digest), sizeof digest});
  ASSERT_EQ(response.headers.size(), 1u);
  EXPECT_EQ(response.headers[0].first, "Content-Security-Policy");
  EXPECT_THAT(response.headers[0].second,
              AllOf(HasSubstr("default-src 'none'"), HasSubstr("style-src 'sha256-" + hash + "'"),
                    HasSubstr("form-action 'none'"), HasSubstr("frame-ancestors 'none'")));
}

}  // namespace
}  // namespace ppmm
