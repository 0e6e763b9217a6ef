#include "collector/scopes.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

// One host with nginx, checkout and a plumbing sshd, whose peers arrive on the wire.
class ScopesTest : public ::testing::Test {
 protected:
  ScopesTest() : agent_(1) {
    wire::Host* host = agent_.dictionary().mutable_entities(0)->mutable_host();
    host->add_addresses("10.0.0.1");
    host->add_gateways("10.0.0.254");
    agent_.set_step(10);
    cpu_ = agent_.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
    nginx_ = agent_.AddInstance("nginx");
    checkout_ = agent_.AddInstance("checkout");
    sshd_ = agent_.AddInstance("openssh");
    agent_.dictionary().mutable_entities(3)->mutable_instance()->set_plumbing(true);
    stream_ = rig_.Connect(agent_).first;
  }

  struct Seen {
    wire::Peer::Direction direction;
    std::uint32_t entity;
    std::string address;
    std::uint32_t port;
  };
  // A minute of the n-th day.
  void Send(int day, const std::vector<Seen>& peers) {
    wire::Batch message;
    for (const Seen& seen : peers) {
      wire::Peer* peer = message.add_peers();
      peer->set_direction(seen.direction);
      peer->set_entity(seen.entity);
      peer->set_address(seen.address);
      peer->set_port(seen.port);
      peer->set_connections(1);
    }
    const std::int64_t at = kRigStart + day * 86400 + 600;
    rig_.clock().Advance(absl::FromUnixSeconds(at) - rig_.clock().Now());
    rig_.Push(stream_, agent_.Batch(at, 1, {{cpu_, 0, 1}}, message));
    rig_.Commit();
    now_ = absl::FromUnixSeconds(at + 60);
  }
  void SendOnTwoDays(const std::vector<Seen>& peers) {
    Send(0, peers);
    Send(1, peers);
  }
  RatedScopes Read(const std::vector<std::string>& networks = {}) {
    std::vector<Network> parsed;
    for (const std::string& network : networks) {
      parsed.push_back(*Network::Parse(network));
    }
    absl::StatusOr<RatedScopes> scopes = ReadScopes(rig_.state(), rig_.store(), now_, parsed);
    EXPECT_TRUE(scopes.ok()) << scopes.status();
    return *std::move(scopes);
  }
  std::vector<std::string> LineOfBusiness() {
    std::vector<std::string> labels;
    for (const Scope& scope : Read().applications) {
      if (scope.line_of_business) {
        labels.push_back(scope.label);
      }
    }
    return labels;
  }
  std::vector<std::string> Hosts(const std::vector<std::string>& networks = {}) {
    std::vector<std::string> labels;
    for (const Scope& scope : Read(networks).hosts) {
      labels.push_back(scope.label);
      EXPECT_EQ(scope.monitored, scope.label == "host1");
    }
    return labels;
  }

  static constexpr auto kIn = wire::Peer::INBOUND;
  static constexpr auto kOut = wire::Peer::OUTBOUND;
  CollectorRig rig_;
  BatchBuilder agent_;
  std::uint32_t cpu_ = 0;
  std::uint32_t nginx_ = 0;
  std::uint32_t checkout_ = 0;
  std::uint32_t sshd_ = 0;
  StreamId stream_ = 0;
  absl::Time now_;
};

TEST_F(ScopesTest, AnApplicationIsUntimedWhereNoHostTakesResponseTimes) {
  const auto untimed = [this] {
    for (const Scope& scope : Read().applications) {
      if (scope.label == "nginx") {
        return scope.untimed;
      }
    }
    return std::string("no nginx");
  };
  const auto say = [this](wire::SourceState::State state, const std::string& reason) {
    agent_.dictionary().clear_sources();
    wire::SourceState* source = agent_.dictionary().add_sources();
    source->set_source("response_times");
    source->set_state(state);
    source->set_reason(reason);
    rig_.Push(stream_, agent_.Dictionary(rig_.clock().Now()));
    rig_.Commit();
  };
  Send(0, {});
  EXPECT_THAT(untimed(), testing::HasSubstr("its agent takes no response times"));
  say(wire::SourceState::FAILED, "BPF is switched off");
  EXPECT_THAT(untimed(), testing::StartsWith("BPF is switched off; cure: take `bpf: off` out of its configuration"));
  say(wire::SourceState::OK, "limits");
  EXPECT_EQ(untimed(), "");
}

TEST_F(ScopesTest, ACallFromAShellMakesAnApplicationLineOfBusiness) {
  Send(0, {{kIn, nginx_, "127.0.0.1", 80}, {kOut, 0, "127.0.0.1", 80}});
  EXPECT_THAT(LineOfBusiness(), ElementsAre("nginx"));
}

TEST_F(ScopesTest, ACallOfItselfDoesNot) {
  Send(0, {{kIn, nginx_, "127.0.0.1", 80}, {kOut, nginx_, "127.0.0.1", 80}});
  EXPECT_THAT(LineOfBusiness(), ElementsAre());
  Send(1, {{kOut, checkout_, "127.0.0.1", 80}, {kIn, nginx_, "127.0.0.1", 80}});
  EXPECT_THAT(LineOfBusiness(), ElementsAre("nginx"));
}

TEST_F(ScopesTest, PlumbingServesWithoutBeingRated) {
  Send(0, {{kIn, sshd_, "10.0.0.9", 22}, {kIn, checkout_, "10.0.0.9", 8080}});
  EXPECT_THAT(LineOfBusiness(), ElementsAre("checkout"));
}

TEST_F(ScopesTest, WhoServedNobodyFor28DaysIsNoLongerRated) {
  Send(0, {{kIn, nginx_, "10.0.0.9", 80}});
  now_ += absl::Hours(24 * 27);
  EXPECT_THAT(LineOfBusiness(), ElementsAre("nginx"));
  now_ += absl::Hours(24);
  EXPECT_THAT(LineOfBusiness(), ElementsAre());
}

TEST_F(ScopesTest, PrivateAddressesThatServedOnTwoDaysAreHosts) {
  Send(0, {{kOut, nginx_, "10.0.0.7", 5432}, {kOut, nginx_, "fd00::7", 5432}, {kOut, nginx_, "10.0.0.8", 80}});
  EXPECT_THAT(Hosts(), ElementsAre("host1")) << "one day is not enough";
  Send(1, {{kOut, nginx_, "10.0.0.7", 5432}, {kOut, nginx_, "fd00::7", 5432}, {kIn, nginx_, "10.0.0.8", 80}});
  EXPECT_THAT(Hosts(), UnorderedElementsAre("host1", "10.0.0.7", "fd00::7"));
}

TEST_F(ScopesTest, AHostWithoutAgentGrowsOlder) {
  for (int day = 0; day <= 10; ++day) {
    Send(day, {{kOut, nginx_, "10.0.0.7", 5432}});
    for (const Scope& scope : Read().hosts) {
      EXPECT_EQ(scope.enrolled_s / 86400, kRigStart / 86400) << scope.label << " on day " << day;
    }
  }
  EXPECT_EQ(Read().hosts.size(), 2u);
}

TEST_F(ScopesTest, ADayThatIsJudgedLateIsJudgedByWhoWasThere) {
  Send(0, {{kOut, nginx_, "10.0.0.7", 5432}});
  const absl::Time then = now_;
  Send(1, {{kOut, nginx_, "10.0.0.7", 5432}, {kIn, checkout_, "10.0.0.9", 8080}});
  const BatchBuilder later(2);
  rig_.Connect(later);
  rig_.Commit();
  now_ = rig_.clock().Now();
  EXPECT_EQ(Read().hosts.size(), 3u);
  EXPECT_EQ(Read().as_of_s, kRigStart + 87000);
  now_ = then;
  EXPECT_THAT(Hosts(), ElementsAre("host1"));
  EXPECT_THAT(LineOfBusiness(), ElementsAre());
  EXPECT_EQ(Read().as_of_s, absl::ToUnixSeconds(then));
}

TEST_F(ScopesTest, PublicAddressesAreHostsWithinConfiguredNetworks) {
  SendOnTwoDays({{kOut, nginx_, "192.0.2.10", 443}, {kOut, nginx_, "2001:db8::10", 443}});
  EXPECT_THAT(Hosts(), ElementsAre("host1"));
  EXPECT_THAT(Hosts({"192.0.2.0/24"}), ElementsAre("host1", "192.0.2.10"));
  EXPECT_THAT(Hosts({"198.51.100.0/24", "2001:db8::/32"}), ElementsAre("host1", "2001:db8::10"));
}

TEST_F(ScopesTest, PlumbingOfTheNetworkIsNeverAHost) {
  SendOnTwoDays({{kOut, nginx_, "10.0.0.254", 443},  // the gateway
                 {kOut, nginx_, "10.0.0.53", 53},
                 {kOut, nginx_, "10.0.0.67", 67},
                 {kOut, nginx_, "10.0.0.123", 123},
                 {kOut, nginx_, "10.0.0.124", 4460},
                 {kOut, nginx_, "169.254.169.254", 80},
                 {kOut, nginx_, "fe80::7", 80},
                 {kOut, nginx_, "224.0.0.5", 80},
                 {kOut, nginx_, "127.0.0.1", 80},
                 {kOut, nginx_, "10.0.0.1", 80},
                 {kOut, nginx_, "no address", 80}});
  EXPECT_THAT(Hosts({"0.0.0.0/0", "::/0"}), ElementsAre("host1"));
}

TEST_F(ScopesTest, AResolverThatServesSomethingElseTooIsAHost) {
  SendOnTwoDays({{kOut, nginx_, "10.0.0.53", 53}, {kOut, nginx_, "10.0.0.53", 8080}});
  EXPECT_THAT(Hosts(), ElementsAre("host1", "10.0.0.53"));
}

}  // namespace
}  // namespace ppmm
