#include "common/data_lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/temp_folder.h"

namespace ppmm {
namespace {

using ::testing::HasSubstr;

// What another process is told that wants the folder.
std::string OtherProcessIsTold(const std::string& folder) {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    DataLock lock;
    const std::string told = lock.Take(folder, "agent").ToString();
    _exit(write(fds[1], told.data(), told.size()) == static_cast<ssize_t>(told.size()) ? 0 : 1);
  }
  close(fds[1]);
  std::string told(4096, '\0');
  const ssize_t size = read(fds[0], told.data(), told.size());
  close(fds[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  told.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return told;
}

TEST(DataLockTest, ASecondProcessIsToldWhoHoldsTheFolderAndWhatToDo) {
  const TempFolder folder;
  DataLock lock;
  ASSERT_TRUE(lock.Take(folder.path(), "agent").ok());
  const std::string told = OtherProcessIsTold(folder.path());
  EXPECT_THAT(told, HasSubstr("ALREADY_EXISTS"));
  EXPECT_THAT(told, HasSubstr(absl::StrCat(folder.path(), " is used by another agent (pid ", getpid(), ")")));
  EXPECT_THAT(told, HasSubstr("--data"));
}

TEST(DataLockTest, TheLockGoesWithItsHolder) {
  const TempFolder folder;
  EXPECT_EQ(OtherProcessIsTold(folder.path()), "OK");  // and that process has ended
  {
    DataLock lock;
    EXPECT_TRUE(lock.Take(folder.path(), "agent").ok());
  }
  EXPECT_EQ(OtherProcessIsTold(folder.path()), "OK");
}

TEST(DataLockTest, AFolderThatIsNotThereIsNamed) {
  const TempFolder folder;
  DataLock lock;
  const absl::Status status = lock.Take(folder.path() + "/none", "agent");
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("/none/lock"));
}

}  // namespace
}  // namespace ppmm
