#include "agent/plumbing.h"

#include <gtest/gtest.h>

namespace ppmm {
namespace {

Identity Of(const std::string& product, const std::string& executable, CodeOrigin origin = CodeOrigin::kOffTheShelf) {
  Identity identity;
  identity.name = product;
  identity.product = product;
  identity.executable = executable;
  identity.origin = origin;
  return identity;
}

TEST(Plumbing, TheListedKindsAreFound) {
  EXPECT_EQ(PlumbingOf(Of("openssh", "/usr/sbin/sshd"), false), Plumbing::kRemoteLogin);
  EXPECT_EQ(PlumbingOf(Of("systemd", "/usr/lib/systemd/systemd-resolved"), true), Plumbing::kResolver);
  EXPECT_EQ(PlumbingOf(Of("systemd", "/usr/lib/systemd/systemd-timesyncd (deleted)"), true), Plumbing::kTime);
  EXPECT_EQ(PlumbingOf(Of("prometheus-node-exporter", "/usr/bin/prometheus-node-exporter"), false),
            Plumbing::kExporter);
  EXPECT_EQ(PlumbingOf(Of("collectd", "/usr/sbin/collectd"), false), Plumbing::kMonitoring);
  EXPECT_EQ(PlumbingOf(Of("nginx", "/usr/sbin/nginx"), false), Plumbing::kNone);
}

TEST(Plumbing, MailAndResolversCountOnlyWhenTheyServeTheHostItself) {
  EXPECT_EQ(PlumbingOf(Of("postfix", "/usr/lib/postfix/sbin/master"), true), Plumbing::kLoopbackMail);
  EXPECT_EQ(PlumbingOf(Of("postfix", "/usr/lib/postfix/sbin/master"), false), Plumbing::kNone);
  EXPECT_EQ(PlumbingOf(Of("unbound", "/usr/sbin/unbound"), false), Plumbing::kNone);
}

TEST(Plumbing, OwnCodeIsNoPlumbingExceptExportersAndOurselves) {
  EXPECT_EQ(PlumbingOf(Of("openssh", "/opt/ssh/sshd", CodeOrigin::kInHouse), true), Plumbing::kNone);
  EXPECT_EQ(PlumbingOf(Of("shop_exporter", "/opt/shop_exporter", CodeOrigin::kInHouse), true), Plumbing::kExporter);
  EXPECT_EQ(PlumbingOf(Of("", "/opt/ppmm/bin/ppmm-agent", CodeOrigin::kInHouse), true), Plumbing::kMonitoring);
}

TEST(Plumbing, EachKindHasWords) {
  EXPECT_EQ(PlumbingText(Plumbing::kLoopbackMail), "loopback mail");
  EXPECT_EQ(PlumbingText(Plumbing::kNone), "");
}

}  // namespace
}  // namespace ppmm
