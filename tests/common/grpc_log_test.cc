#include "common/grpc_log.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "common/log.h"
#include "grpc/support/log.h"

namespace ppmm {
namespace {

using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

TEST(GrpcLogTest, ItsErrorsAreLinesOfOurLogAndNotOneAnAttempt) {
  RouteGrpcLog();
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);  // as gRPC does when it starts
  CaptureStderr();
  for (int attempt = 0; attempt < 100; ++attempt) {
    gpr_log("/src/core/tsi/security.cc", 1501, GPR_LOG_SEVERITY_ERROR, "Handshake failed: %s", "forged\nline");
  }
  EXPECT_THAT(GetCapturedStderr(),
              ::testing::MatchesRegex("[0-9TZ:.-]+ warning grpc: Handshake failed: forged[^\n]*line "
                                      "\\[security.cc:1501\\] \\(1 since the last such line\\)\n"));
}

TEST(GrpcLogTest, WhatElseItSaysIsForDebugging) {
  RouteGrpcLog();
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_DEBUG);
  CaptureStderr();
  gpr_log("a.cc", 1, GPR_LOG_SEVERITY_INFO, "told");
  EXPECT_EQ(GetCapturedStderr(), "");
  ASSERT_TRUE(SetLogLevel("debug").ok());
  CaptureStderr();
  gpr_log("a.cc", 1, GPR_LOG_SEVERITY_INFO, "told");
  EXPECT_THAT(GetCapturedStderr(), ::testing::EndsWith(" debug grpc: told [a.cc:1]\n"));
  ASSERT_TRUE(SetLogLevel("info").ok());
}

}  // namespace
}  // namespace ppmm
