#include "collector/dependencies.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Two hosts: nginx and checkout on the first, postgresql on the second.
class DependenciesTest : public ::testing::Test {
 protected:
  DependenciesTest() : web_(1), db_(2) {
    SetAddress(&web_, "10.0.0.1");
    SetAddress(&db_, "10.0.0.2");
    nginx_ = web_.AddInstance("nginx");
    checkout_ = web_.AddInstance("checkout");
    Listen(&web_, nginx_, 80);
    Listen(&web_, checkout_, 8080);
    Listen(&db_, db_.AddInstance("postgresql"), 5432);
  }

  static void SetAddress(BatchBuilder* agent, const std::string& address) {
    agent->dictionary().mutable_entities(0)->mutable_host()->add_addresses(address);
    agent->set_step(10);
  }
  static void Listen(BatchBuilder* agent, std::uint32_t entity, std::uint32_t port) {
    wire::Listener* listener = agent->dictionary().add_listeners();
    listener->set_entity(entity);
    listener->set_address("*");
    listener->set_port(port);
    listener->set_protocol("tcp");
  }
  void Call(std::uint32_t entity, const std::string& address, std::uint32_t port, std::uint32_t connections) {
    Add(wire::Peer::OUTBOUND, entity, address, port, connections);
  }
  void Add(wire::Peer::Direction direction, std::uint32_t entity, const std::string& address, std::uint32_t port,
           std::uint32_t connections) {
    wire::Peer* peer = calls_.add_peers();
    peer->set_direction(direction);
    peer->set_entity(entity);
    peer->set_address(address);
    peer->set_port(port);
    peer->set_connections(connections);
    peer->set_bytes(300);
  }
  // Delivers the calls of the first host and reads what is kept so many days later.
  Dependencies Read(int days_later = 0) {
    const std::int64_t at = kRigStart + 600;
    rig_.clock().Advance(absl::FromUnixSeconds(at) - rig_.clock().Now());
    for (BatchBuilder* agent : {&web_, &db_}) {
      const std::uint32_t cpu = agent->AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
      const StreamId stream = rig_.Connect(*agent).first;
      DecodedBatch batch = agent->Batch(at, 1, {{cpu, 0, 1}}, agent == &web_ ? calls_ : wire::Batch());
      if (agent == &web_ && connections_without_times_ != 0) {
        batch.samples.push_back({connections_without_times_, 0, 1});
      }
      if (agent == &web_) {
        batch.sketches = sketches_;
      }
      rig_.Push(stream, std::move(batch));
      rig_.Commit();
    }
    absl::StatusOr<Dependencies> read =
        ReadDependencies(rig_.state(), rig_.store(), absl::FromUnixSeconds(at) + absl::Hours(24) * days_later);
    EXPECT_TRUE(read.ok()) << read.status();
    return *std::move(read);
  }
  static std::vector<std::string> Words(const Dependencies& dependencies) {
    std::vector<std::string> words;
    for (const Dependency& row : dependencies.rows) {
      words.push_back(absl::StrCat(row.application, "@", row.host, " ", row.connections, " ", row.remote_application,
                                   "@", row.remote_host, " ", row.address, ":", row.port));
    }
    return words;
  }

  CollectorRig rig_;
  BatchBuilder web_, db_;
  wire::Batch calls_;
  std::vector<DecodedSketch> sketches_;
  std::uint32_t connections_without_times_ = 0;  // a series
  std::uint32_t nginx_ = 0;
  std::uint32_t checkout_ = 0;
};

TEST_F(DependenciesTest, ACallIsMappedToTheApplicationThatListensThere) {
  Call(nginx_, "127.0.0.1", 8080, 30);
  Call(checkout_, "10.0.0.2", 5432, 20);
  Call(checkout_, "10.0.0.1", 80, 10);
  EXPECT_THAT(Words(Read()), ElementsAre("nginx@host1 30 checkout@host1 127.0.0.1:8080",
                                         "checkout@host1 20 postgresql@host2 10.0.0.2:5432",
                                         "checkout@host1 10 nginx@host1 10.0.0.1:80"));
}

TEST_F(DependenciesTest, AHostWithoutAnAgentIsAnAddress) {
  Call(checkout_, "203.0.113.7", 443, 5);
  EXPECT_THAT(Words(Read()), ElementsAre("checkout@host1 5 @ 203.0.113.7:443"));
}

TEST_F(DependenciesTest, APortThatNobodyListensOnIsNoApplication) {
  Call(checkout_, "10.0.0.2", 6379, 5);
  EXPECT_THAT(Words(Read()), ElementsAre("checkout@host1 5 @host2 10.0.0.2:6379"));
}

TEST_F(DependenciesTest, APortThatSeveralApplicationsListenOnIsNoneOfThem) {
  Listen(&db_, db_.AddInstance("pgbouncer"), 5432);
  Call(checkout_, "10.0.0.2", 5432, 5);
  EXPECT_THAT(Words(Read()), ElementsAre("checkout@host1 5 @host2 10.0.0.2:5432"));
}

TEST_F(DependenciesTest, AnAddressThatSeveralHostsHaveIsTheCallersOwnOrNoneOfThem) {
  web_.dictionary().mutable_entities(0)->mutable_host()->add_addresses("172.17.0.1");
  db_.dictionary().mutable_entities(0)->mutable_host()->add_addresses("172.17.0.1");
  Call(checkout_, "172.17.0.1", 8080, 5);
  EXPECT_THAT(Words(Read()), ElementsAre("checkout@host1 5 checkout@host1 172.17.0.1:8080")) << "it has it itself";
}

TEST_F(DependenciesTest, AnAddressThatTwoOtherHostsHaveIsNeither) {
  BatchBuilder third(3);
  SetAddress(&third, "10.0.0.2");
  rig_.Connect(third);
  Call(checkout_, "10.0.0.2", 5432, 5);
  EXPECT_THAT(Words(Read()), ElementsAre("checkout@host1 5 @ 10.0.0.2:5432"));
}

TEST_F(DependenciesTest, ProcessesThatEndedUnnamedCallToo) {
  Call(0, "10.0.0.2", 5432, 5);
  EXPECT_THAT(Words(Read()), ElementsAre("@host1 5 postgresql@host2 10.0.0.2:5432"));
}

TEST_F(DependenciesTest, WhoIsCalledIsNoCaller) {
  Add(wire::Peer::INBOUND, nginx_, "203.0.113.7", 80, 5);
  EXPECT_THAT(Words(Read()), IsEmpty());
}

TEST_F(DependenciesTest, CallsAreKeptForAWeek) {
  Call(checkout_, "10.0.0.2", 5432, 5);
  const Dependencies today = Read();
  ASSERT_EQ(today.rows.size(), 1U);
  EXPECT_EQ(today.rows[0].bytes, 300U);
  const auto rows_after = [this](int days) {
    const absl::Time then = rig_.clock().Now() + absl::Hours(24) * days;
    return ReadDependencies(rig_.state(), rig_.store(), then)->rows.size();
  };
  EXPECT_EQ(rows_after(kDependencyDays - 1), 1U);
  EXPECT_EQ(rows_after(kDependencyDays), 0U);
}

TEST_F(DependenciesTest, TheTimesOfCallsStandBesideTheirService) {
  Call(nginx_, "127.0.0.1", 8080, 30);
  Call(checkout_, "10.0.0.2", 5432, 20);
  const std::string metric = "ppmm_instance_call_time_seconds";
  const std::uint32_t series = web_.AddSeries(checkout_, metric, {"10.0.0.2", "5432"});
  sketches_.push_back({series, 0, Sketch()});
  sketches_.back().sketch.Add(5'000'000, 600);
  const Dependencies dependencies = Read();
  ASSERT_EQ(dependencies.rows.size(), 2U);
  EXPECT_EQ(dependencies.rows[0].call_time.count(), 0U);
  EXPECT_NE(dependencies.rows[0].call_time_reason, "");
  EXPECT_EQ(dependencies.rows[1].call_time.count(), 600U);
  EXPECT_NEAR(dependencies.rows[1].call_time.QuantileSeconds(0.9).value_or(0), 0.005, 0.0001);
  EXPECT_EQ(dependencies.rows[1].unanswered, std::nullopt);
  EXPECT_FALSE(dependencies.rows[0].unparsed);
  EXPECT_FALSE(dependencies.rows[1].calls_at_least);
}

TEST_F(DependenciesTest, CallsThatCannotBeToldApartSaySo) {
  Call(checkout_, "10.0.0.2", 6379, 1);
  const std::uint32_t series = web_.AddSeries(checkout_, "ppmm_instance_call_connections_without_times_total",
                                              {"10.0.0.2", "6379", "pipelined"});
  connections_without_times_ = series;
  const Dependencies dependencies = Read();
  EXPECT_THAT(dependencies.rows.at(0).call_time_reason, ::testing::HasSubstr("pipelined"));
  EXPECT_TRUE(dependencies.rows[0].unparsed);
  EXPECT_TRUE(dependencies.rows[0].calls_at_least);
}

TEST_F(DependenciesTest, MoreThanAreShownAreCounted) {
  std::vector<PeerDayRow> peers;
  for (std::uint32_t port = 0; port < kMaxDependencies + 3; ++port) {
    PeerDayRow& row = peers.emplace_back();
    row.direction = wire::Peer::OUTBOUND;
    row.address = "203.0.113.7";
    row.port = port;
    row.connections = port;
  }
  const Dependencies dependencies = DependenciesOf(Tables(), peers, absl::FromUnixSeconds(kRigStart));
  EXPECT_EQ(dependencies.rows.size(), kMaxDependencies);
  EXPECT_EQ(dependencies.rows.front().port, kMaxDependencies + 2);
  EXPECT_EQ(dependencies.left_out, 3U);
}

}  // namespace
}  // namespace ppmm
