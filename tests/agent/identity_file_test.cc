#include "agent/identity_file.h"

#include <cerrno>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/faulty_file.h"

namespace ppmm {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1700000000);
constexpr char kMachine[] = "0123456789abcdef0123456789abcdef\n";
constexpr char kOtherMachine[] = "ffffffffffffffffffffffffffffffff\n";

class IdentityFileTest : public ::testing::Test {
 protected:
  // An agent starts on a machine.
  IdentityFile& Start(absl::string_view machine_id, absl::string_view host_id_override = "") {
    file_ = std::make_unique<IdentityFile>(&disk_, machine_id, host_id_override,
                                           [this](std::size_t n) { return std::string(n, ++random_); });
    status_ = file_->Establish(kNow);
    return *file_;
  }

  FaultyDirectory disk_;
  char random_ = 'a';
  std::unique_ptr<IdentityFile> file_;
  absl::Status status_;
};

TEST_F(IdentityFileTest, HashesTheBytesThatTheHeaderNames) {
  const AgentIdentity identity = Start(kMachine).identity();
  EXPECT_EQ(identity.agent_id, std::string(16, 'b'));
  // printf 'ppmm-host\0000123456789abcdef0123456789abcdef' | sha256sum
  EXPECT_EQ(absl::BytesToHexString(identity.host_id), "0af27184c04e1b772f25f99e86c5c0b7");
  // printf 'ppmm-host\0000123456789abcdef0123456789abcdef\000bbbbbbbbbbbbbbbb' | sha256sum
  EXPECT_EQ(absl::BytesToHexString(identity.duplicate_host_id), "048b5f6c00aaa16627a6e8f1094efc45");
}

TEST_F(IdentityFileTest, ARestartFindsTheSame) {
  const AgentIdentity first = Start(kMachine).identity();
  ASSERT_TRUE(status_.ok());
  const AgentIdentity second = Start(kMachine).identity();
  EXPECT_EQ(second.agent_id, first.agent_id);
  EXPECT_EQ(second.host_id, first.host_id);
  EXPECT_EQ(second.duplicate_host_id, first.duplicate_host_id);
  EXPECT_FALSE(file_->cloned());
}

TEST_F(IdentityFileTest, ItIsDurableWhenEstablished) {
  const std::string agent_id = Start(kMachine).identity().agent_id;
  disk_.PowerCut();
  EXPECT_EQ(Start(kMachine).identity().agent_id, agent_id);
}

TEST_F(IdentityFileTest, ACloneGetsANewIdentityAndItsSpoolIsSetAside) {
  const AgentIdentity first = Start(kMachine).identity();
  disk_.Put("spool/state", "of the other machine");
  const AgentIdentity clone = Start(kOtherMachine).identity();
  EXPECT_TRUE(status_.ok());
  EXPECT_TRUE(file_->cloned());
  EXPECT_NE(clone.agent_id, first.agent_id);
  EXPECT_NE(clone.host_id, first.host_id);
  EXPECT_EQ(disk_.Files().count("spool/state"), 0u);
  EXPECT_EQ(disk_.Files().count("inherited-1700000000/state"), 1u);
  EXPECT_EQ(Start(kOtherMachine).identity().agent_id, clone.agent_id);
  EXPECT_FALSE(file_->cloned());
}

TEST(IdentityFileCrashTest, ACloneThatDiesWithinAnyChangeIsStillFoundToBeOne) {
  for (std::uint64_t change = 1; change < 12; ++change) {
    for (const bool power_cut : {false, true}) {
      FaultyDirectory disk;
      char random = 'a';
      const auto start = [&](absl::string_view machine_id) {
        IdentityFile file(&disk, machine_id, "", [&](std::size_t n) { return std::string(n, ++random); });
        file.Establish(kNow).IgnoreError();  // the disk dies
        return file.identity().agent_id;
      };
      const std::string original = start(kMachine);
      disk.Put("spool/state", "of the other machine");
      disk.CrashAtChange(change);
      start(kOtherMachine);
      power_cut ? disk.PowerCut() : disk.Restart();
      EXPECT_NE(start(kOtherMachine), original);
      EXPECT_EQ(disk.Files().count("spool/state"), 0u) << change;
    }
  }
}

TEST_F(IdentityFileTest, AMachineIdThatComesLaterIsNoClone) {
  for (const char* none : {"", "uninitialized\n", " \n"}) {
    disk_.Remove("identity").IgnoreError();
    const AgentIdentity first = Start(none).identity();
    const AgentIdentity later = Start(kMachine).identity();
    EXPECT_FALSE(file_->cloned());
    EXPECT_EQ(later.agent_id, first.agent_id);
    EXPECT_EQ(later.host_id, first.host_id) << "history goes on";
    Start(kOtherMachine);
    EXPECT_TRUE(file_->cloned()) << "the machine id was completed";
  }
}

TEST_F(IdentityFileTest, AMachineIdThatCannotBeReadIsNoClone) {
  const AgentIdentity first = Start(kMachine).identity();
  EXPECT_EQ(Start("").identity().host_id, first.host_id);
  EXPECT_FALSE(file_->cloned());
  EXPECT_EQ(Start(kMachine).identity().agent_id, first.agent_id);
}

TEST_F(IdentityFileTest, WithoutAMachineIdTheHostIsCalledAfterTheAgent) {
  const std::string first = Start("").identity().host_id;
  disk_.Remove("identity").IgnoreError();
  EXPECT_NE(Start("").identity().host_id, first);
}

TEST_F(IdentityFileTest, TheOverrideHoldsForThisRunOnly) {
  const AgentIdentity plain = Start(kMachine).identity();
  const AgentIdentity overridden = Start(kMachine, "web-1").identity();
  EXPECT_EQ(overridden.agent_id, plain.agent_id);
  EXPECT_NE(overridden.host_id, plain.host_id);
  EXPECT_NE(overridden.duplicate_host_id, plain.duplicate_host_id);
  EXPECT_NE(Start(kMachine, "web-2").identity().host_id, overridden.host_id);
  EXPECT_EQ(Start(kMachine).identity().host_id, plain.host_id);
}

TEST_F(IdentityFileTest, ARenewedAgentIsTheSameHost) {
  const AgentIdentity first = Start(kMachine).identity();
  ASSERT_TRUE(file_->RenewAgentId().ok());
  EXPECT_NE(file_->identity().agent_id, first.agent_id);
  EXPECT_NE(file_->identity().duplicate_host_id, first.duplicate_host_id);
  EXPECT_EQ(file_->identity().host_id, first.host_id);
  const std::string renewed = file_->identity().agent_id;
  EXPECT_EQ(Start(kMachine).identity().agent_id, renewed);
}

TEST_F(IdentityFileTest, AnyDamageGivesANewIdentityAndNeverACrash) {
  const AgentIdentity first = Start(kMachine).identity();
  const std::string good = disk_.Files()["identity"];
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string damaged = good;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x04);
    disk_.Put("identity", damaged);
    Start(kMachine);
    if (at + 1 < good.size()) {  // the last newline means nothing
      EXPECT_NE(file_->identity().agent_id, first.agent_id) << at;
    }
    disk_.Put("identity", good.substr(0, at));
    Start(kMachine);
    EXPECT_EQ(file_->identity().host_id, first.host_id);
  }
  disk_.Put("identity", std::string(5000, 'x'));
  Start(kMachine);
  EXPECT_TRUE(status_.ok());
}

TEST_F(IdentityFileTest, ADiskThatRefusesWritesGivesAnIdentityForThisRun) {
  disk_.FailWrites(EROFS);
  EXPECT_EQ(Start(kMachine).identity().agent_id.size(), 16u);
  EXPECT_TRUE(absl::IsFailedPrecondition(status_));
  EXPECT_TRUE(absl::IsFailedPrecondition(file_->Keep()));
}

TEST_F(IdentityFileTest, AReadOnlyDiskIsTheReasonEvenWithWhatACrashLeft) {
  ASSERT_TRUE(disk_.Open("identity.new", SpoolDirectory::Mode::kCreate).ok());
  disk_.FailWrites(EROFS);
  Start(kMachine);
  EXPECT_THAT(std::string(status_.message()), ::testing::HasSubstr("Read-only file system"));
}

TEST_F(IdentityFileTest, WhatADiskRefusedIsKeptOnceItTakesWrites) {
  disk_.FailWrites(EROFS);
  const AgentIdentity first = Start(kMachine).identity();
  disk_.FailWrites(0);
  EXPECT_TRUE(file_->Keep().ok());
  EXPECT_EQ(Start(kMachine).identity().agent_id, first.agent_id);
  disk_.FailWrites(EROFS);
  EXPECT_TRUE(file_->Keep().ok()) << "nothing is left to write";
}

TEST(KernelRandomBytesTest, GivesDifferentBytes) {
  EXPECT_EQ(KernelRandomBytes(16).size(), 16u);
  EXPECT_NE(KernelRandomBytes(16), KernelRandomBytes(16));
}

}  // namespace
}  // namespace ppmm
