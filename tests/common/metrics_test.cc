#include "common/metrics.h"

#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

TEST(MetricListTest, IsOrderedByNameWithoutRepetition) {
  const absl::Span<const Metric> list = MetricList();
  for (size_t i = 1; i < list.size(); ++i) {
    EXPECT_LT(list[i - 1].name, list[i].name);
  }
}

TEST(MetricListTest, FollowsTheNamingRulesOfPrometheus) {
  for (const Metric& metric : MetricList()) {
    const absl::string_view prefix = metric.scope == MetricScope::kHost ? "ppmm_host_" : "ppmm_instance_";
    EXPECT_TRUE(absl::StartsWith(metric.name, prefix)) << metric.name;
    EXPECT_EQ(absl::EndsWith(metric.name, "_total"), metric.kind == MetricKind::kCounter) << metric.name;
    if (!metric.unit.empty()) {
      EXPECT_TRUE(absl::StrContains(metric.name, metric.unit)) << metric.name;
    }
    EXPECT_TRUE(absl::EndsWith(metric.help, ".")) << metric.name;
    EXPECT_FALSE(metric.source.empty()) << metric.name;
  }
}

TEST(MetricListTest, EveryResourceKindHasUtilizationAndAllButTheNetworkSaturation) {
  for (const Resource resource : {Resource::kCpu, Resource::kMemory, Resource::kDisk, Resource::kNetwork}) {
    bool utilization = false;
    bool saturation = false;
    for (const Metric& metric : MetricList()) {
      if (metric.scope == MetricScope::kHost && metric.resource == resource) {
        utilization |= metric.role == MetricRole::kUtilization && metric.period_seconds == 0;
        saturation |= metric.role == MetricRole::kSaturation;
      }
    }
    EXPECT_TRUE(utilization) << ResourceName(resource);
    EXPECT_TRUE(saturation) << ResourceName(resource);
  }
}

TEST(FindMetricTest, FindsEachRowAndNothingElse) {
  for (const Metric& metric : MetricList()) {
    EXPECT_EQ(FindMetric(metric.name), &metric);
  }
  EXPECT_EQ(FindMetric("ppmm_host_cpu"), nullptr);
  EXPECT_EQ(FindMetric(""), nullptr);
  EXPECT_EQ(FindMetric("zzz"), nullptr);
}

TEST(MetricListTest, TheManualSaysWhatTheListSays) {
  std::ifstream file(PPMM_SOURCE_DIR "/docs/metrics.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), MetricListMarkdown()) << "docs/metrics.md is behind the list: tests/run --update-docs";
}

}  // namespace
}  // namespace ppmm
