#include "collector/duplicates.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

// Two agents with one host id.
class DuplicatesTest : public testing::Test {
 protected:
  struct Machine {
    explicit Machine(int number, std::uint64_t epoch = 0) : agent(number, epoch) {
      cpu = agent.AddSeries(1, "ppmm_host_cpu_seconds_total", {"0", "user"});
    }
    BatchBuilder agent;
    std::uint32_t cpu;
    StreamId stream = 0;
    std::shared_ptr<RecordingSink> sink;
  };

  void Connect(Machine& machine, const std::string& host_id) {
    StreamHello hello = machine.agent.Hello(rig_.clock().Now() + absl::Seconds(connected_++));
    hello.host_id = host_id;
    hello.host_name = "image";
    machine.sink = std::make_shared<RecordingSink>();
    machine.stream = *rig_.queue().Open(machine.sink, std::move(hello));
    rig_.Push(machine.stream, machine.agent.Dictionary(rig_.clock().Now()));
    rig_.Commit();
  }
  // One batch of each in each of these minutes.
  void Deliver(std::int64_t from_minute, std::int64_t minutes, std::vector<Machine*> machines) {
    for (std::int64_t minute = from_minute; minute < from_minute + minutes; ++minute) {
      for (Machine* machine : machines) {
        rig_.queue()
            .Push(machine->stream, machine->agent.Batch(kRigStart + minute * 60, 1, {{machine->cpu, 0, 1}}))
            .IgnoreError();  // Cancelled: its stream was cut
        rig_.Commit();
      }
    }
  }
  bool Flagged(HostKey host) {
    ReaderLock lock(&rig_.state().mutex());
    return rig_.state().tables().hosts.at(host).row.duplicate;
  }
  std::string Label(HostKey host) {
    ReaderLock lock(&rig_.state().mutex());
    return rig_.state().tables().hosts.at(host).row.label;
  }
  std::size_t Hosts() {
    ReaderLock lock(&rig_.state().mutex());
    return rig_.state().tables().hosts.size();
  }
  // Both deliver until the newcomer is cut, and it comes again.
  void MakePair() {
    Connect(one_, shared_);
    Connect(two_, shared_);
    Deliver(0, 3, {&one_, &two_});
    ASSERT_EQ(two_.sink->cuts().size(), 1u);
    Connect(two_, shared_);
  }

  CollectorRig rig_;
  int connected_ = 0;
  Machine one_{1};
  Machine two_{2};
  const std::string shared_ = one_.agent.host_id();
};

TEST_F(DuplicatesTest, TheNewcomerGetsAHostOfItsOwnAndBothAreFlagged) {
  MakePair();
  EXPECT_TRUE(one_.sink->cuts().empty());
  ASSERT_EQ(Hosts(), 2u);
  EXPECT_TRUE(Flagged(1));
  EXPECT_TRUE(Flagged(2));
  EXPECT_EQ(Label(1), "image");
  EXPECT_EQ(Label(2), "image-646464");
  EXPECT_EQ(two_.sink->welcomes().at(0).host_label, "image-646464");
  const std::string dump = rig_.Dump();
  rig_.Restart();
  EXPECT_EQ(rig_.Dump(), dump);
  Connect(two_, shared_);
  EXPECT_EQ(two_.sink->welcomes().at(0).host_label, "image-646464") << "it stays what it was found to be";
}

TEST_F(DuplicatesTest, ASingleChangeOverIsAReinstall) {
  Connect(one_, shared_);
  Deliver(0, 3, {&one_});
  Connect(two_, shared_);
  Deliver(3, 5, {&two_});
  EXPECT_EQ(Hosts(), 1u);
  EXPECT_FALSE(Flagged(1));
  EXPECT_TRUE(two_.sink->cuts().empty());
}

TEST_F(DuplicatesTest, AHostIdOfItsOwnCuresBoth) {
  MakePair();
  Connect(two_, two_.agent.host_id());
  EXPECT_EQ(two_.sink->welcomes().at(0).host_label, "image-686868");
  EXPECT_EQ(Hosts(), 3u);
  for (HostKey host = 1; host <= 3; ++host) {
    EXPECT_FALSE(Flagged(host)) << host;
  }
  Deliver(3, 4, {&one_, &two_});
  EXPECT_EQ(Hosts(), 3u);
}

// A new machine id makes a new agent: the old one is never heard again.
TEST_F(DuplicatesTest, ADayWithoutOneOfThemCuresBoth) {
  MakePair();
  Deliver(3, 2, {&one_, &two_});
  rig_.clock().Advance(absl::Hours(25));
  Deliver(23 * 60, 1, {&one_});
  EXPECT_TRUE(Flagged(1));
  Deliver(25 * 60, 1, {&one_});
  EXPECT_FALSE(Flagged(1));
  EXPECT_FALSE(Flagged(2));
  const std::string dump = rig_.Dump();
  rig_.Restart();
  EXPECT_EQ(rig_.Dump(), dump);
}

TEST_F(DuplicatesTest, WhichOfTheTwoFellSilentDoesNotMatter) {
  MakePair();
  Deliver(3, 1, {&one_, &two_});
  Deliver(25 * 60, 1, {&two_});
  EXPECT_FALSE(Flagged(1));
  EXPECT_FALSE(Flagged(2));
}

TEST_F(DuplicatesTest, APairThatComesBackIsFlaggedAgain) {
  MakePair();
  Deliver(3, 1, {&one_, &two_});
  Deliver(25 * 60, 1, {&one_});
  ASSERT_FALSE(Flagged(1));
  Connect(two_, shared_);
  EXPECT_TRUE(Flagged(2));
  Deliver(25 * 60 + 1, 1, {&one_, &two_});
  EXPECT_TRUE(Flagged(1));
  EXPECT_TRUE(Flagged(2));
}

}  // namespace
}  // namespace ppmm
