#include "agent/status_socket.h"

#include <fstream>

#include "gtest/gtest.h"

#include "common/unix_peer.h"
#include "tests/testing/temp_folder.h"

namespace ppmm {
namespace {

TEST(StatusSocketTest, AFileThatIsNoSocketIsLeftUntouched) {
  const TempFolder folder;
  const std::string path = folder.Write("notes", "precious");
  EXPECT_EQ(StatusSocket::Listen(path).status(), NoSocket(path));
  std::string text;
  std::ifstream(path) >> text;
  EXPECT_EQ(text, "precious");
}

TEST(StatusSocketTest, ALiveSocketIsNotTakenOverAndALeftOneIs) {
  const TempFolder folder;
  const std::string path = folder.path() + "/agent.sock";
  absl::StatusOr<std::unique_ptr<StatusSocket>> first = StatusSocket::Listen(path);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(absl::IsAlreadyExists(StatusSocket::Listen(path).status()));
  *first = nullptr;
  EXPECT_TRUE(StatusSocket::Listen(path).ok());
}

}  // namespace
}  // namespace ppmm
