#include "collector/places.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "collector/waiting.h"
#include "tests/testing/collector_rig.h"

namespace ppmm {
namespace {

TEST(PlacedFileTest, IsGoneWhenItIsMovedOrAnotherHasItsName) {
  const TempDir dir;
  const std::string path = dir.File("store");
  std::ofstream(path) << "one";
  const PlacedFile file(path);
  EXPECT_FALSE(file.Gone());
  std::ofstream(path) << "changed";
  EXPECT_FALSE(file.Gone());
  std::filesystem::rename(path, path + ".away");
  EXPECT_TRUE(file.Gone());
  std::ofstream(path) << "another";
  EXPECT_TRUE(file.Gone());
  std::filesystem::rename(path + ".away", path);
  EXPECT_FALSE(file.Gone());
}

TEST(TakeDataDirectoryTest, MakesItAndGivesItToOneOnly) {
  const TempDir dir;
  config::CollectorConfig config;
  config.set_data(dir.File("new/data"));
  DataLock lock;
  EXPECT_TRUE(TakeDataDirectory(config, &lock).ok());
  EXPECT_TRUE(std::filesystem::is_directory(config.data()));

  std::ofstream(dir.File("file")) << "no directory";
  config.set_data(dir.File("file/data"));
  DataLock other;
  EXPECT_EQ(TakeDataDirectory(config, &other).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(MayPassTest, OnlyWantOfRoomPassesByItself) {
  const TempDir dir;
  config::CollectorConfig config;
  config.set_data(dir.File(""));
  EXPECT_TRUE(MayPass(absl::ResourceExhaustedError("disk full"), config));
  EXPECT_FALSE(MayPass(absl::OkStatus(), config));
  EXPECT_FALSE(MayPass(absl::DataLossError("damaged"), config));
  EXPECT_FALSE(MayPass(absl::AlreadyExistsError("taken"), config));
  EXPECT_FALSE(MayPass(absl::FailedPreconditionError("wrong owner, on a file system that can be written"), config));
}

}  // namespace
}  // namespace ppmm
