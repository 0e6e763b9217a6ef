#include "agent/identify/package_index.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PackageIndex, NamesEveryPackageThatHasTheKey) {
  PackageIndex index(5);
  index.Add("/usr/bin/b", 4);
  index.Add("/usr/bin/a", 3);
  index.Add("/usr/bin/a", 1);
  index.Add("/usr/bin/a", 1);
  index.Finish();
  EXPECT_THAT(index.Find("/usr/bin/a"), ElementsAre(1, 3));
  EXPECT_THAT(index.Find("/usr/bin/b"), ElementsAre(4));
  EXPECT_THAT(index.Find("/usr/bin/c"), IsEmpty());
}

TEST(PackageIndex, IsEmptyWithoutPackages) {
  PackageIndex index(0);
  index.Finish();
  EXPECT_THAT(index.Find("/usr/bin/a"), IsEmpty());
}

TEST(PackageIndex, MissesNothingAndNamesFewTooMany) {
  constexpr std::size_t kPackages = 900;
  constexpr std::size_t kFilesEach = 180;
  PackageIndex index(kPackages);
  const auto path = [](std::size_t package, std::size_t file) {
    return absl::StrCat("/usr/share/p", package, "/f", file);
  };
  for (std::size_t package = 0; package < kPackages; ++package) {
    for (std::size_t file = 0; file < kFilesEach; ++file) {
      index.Add(path(package, file), package);
    }
  }
  index.Finish();
  std::size_t candidates = 0;
  for (std::size_t package = 0; package < kPackages; ++package) {
    EXPECT_THAT(index.Find(path(package, 7)), Contains(package));
    candidates += index.Find(path(package, kFilesEach)).size();
  }
  EXPECT_LT(candidates, kPackages / 10) << "of absent paths";
}

TEST(PackageIndex, GivesUpWhenThereAreTooManyKeys) {
  PackageIndex index(2);
  for (std::size_t i = 0; i < PackageIndex::kMaxKeys; ++i) {
    index.Add("/key", 1);
  }
  EXPECT_FALSE(index.too_large());
  index.Add("/key", 1);
  index.Finish();
  EXPECT_TRUE(index.too_large());
  EXPECT_THAT(index.Find("/key"), IsEmpty());
}

}  // namespace
}  // namespace ppmm
