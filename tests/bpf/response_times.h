// What tests of response times share: a scanner of their own, and what it says of a listener.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "agent/socket_scanner.h"

namespace ppmm {

class ResponseTimesTest : public ::testing::Test {
 protected:
  void SetUp() override { Create(); }

  void Create() {
    scanner_.reset();
    absl::StatusOr<std::unique_ptr<SocketScanner>> scanner = SocketScanner::Create();
    ASSERT_TRUE(scanner.ok()) << scanner.status();
    scanner_ = *std::move(scanner);
    ASSERT_TRUE(scanner_->Seed().ok());
  }

  // All listeners on this port, together.
  ListenerSample Poll(std::uint16_t port) {
    return Poll([port](const ListenerSample& sample) {
      return sample.protocol == SocketProtocol::kTcp && sample.port == port;
    });
  }

  ListenerSample PollUnix(const std::string& path) {
    return Poll([&path](const ListenerSample& sample) { return sample.unix_path == path; });
  }

  std::unique_ptr<SocketScanner> scanner_;
  std::vector<ListenerSample> listeners_;

 private:
  ListenerSample Poll(const std::function<bool(const ListenerSample&)>& is_asked_for) {
    const absl::Status status = scanner_->Poll(&listeners_);
    EXPECT_TRUE(status.ok()) << status;
    ListenerSample sum;
    bool found = false;
    for (const ListenerSample& sample : listeners_) {
      if (!is_asked_for(sample)) {
        continue;
      }
      if (!std::exchange(found, true)) {
        sum = sample;
        continue;
      }
      sum.turns.Add(sample.turns);
      sum.times.Merge(sample.times);
    }
    EXPECT_TRUE(found) << "no such listener";
    return sum;
  }
};

}  // namespace ppmm
