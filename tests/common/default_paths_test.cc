#include "common/default_paths.h"

#include <map>
#include <string>

#include "gtest/gtest.h"

namespace ppmm {
namespace {

Environment With(const std::map<std::string, std::string>& variables) {
  return [variables](const char* name) {
    const auto it = variables.find(name);
    return it == variables.end() ? std::string() : it->second;
  };
}

TEST(DefaultPathsTest, OfRootAreThoseOfTheSystem) {
  const DefaultPaths paths = DefaultPathsOf("agent", true, With({{"XDG_STATE_HOME", "/x"}, {"HOME", "/root"}}));
  EXPECT_EQ(paths.config_file, "/etc/ppmm/agent.yaml");
  EXPECT_EQ(paths.inventory_file, "/etc/ppmm/inventory.yaml");
  EXPECT_EQ(paths.data, "/var/lib/ppmm/agent");
  EXPECT_EQ(paths.socket, "/run/ppmm/agent.sock");
}

TEST(DefaultPathsTest, OfAUserAreBelowXdgStateHome) {
  const DefaultPaths paths = DefaultPathsOf("collector", false, With({{"XDG_STATE_HOME", "/x"}, {"HOME", "/home/a"}}));
  EXPECT_EQ(paths.config_file, "/x/ppmm/collector.yaml");
  EXPECT_EQ(paths.inventory_file, "/x/ppmm/inventory.yaml");
  EXPECT_EQ(paths.data, "/x/ppmm/collector");
  EXPECT_EQ(paths.socket, "/x/ppmm/collector.sock");
}

TEST(DefaultPathsTest, FallBackToTheHome) {
  EXPECT_EQ(DefaultPathsOf("agent", false, With({{"HOME", "/home/a"}})).data, "/home/a/.local/state/ppmm/agent");
  EXPECT_EQ(DefaultPathsOf("agent", false, With({{"HOME", "/home/a"}, {"XDG_STATE_HOME", "rel"}})).data,
            "/home/a/.local/state/ppmm/agent")
      << "a relative XDG_STATE_HOME is ignored";
}

TEST(DefaultPathsTest, OfAServiceAreThoseOfSystemd) {
  const DefaultPaths paths = DefaultPathsOf(
      "collector", false,
      With({{"STATE_DIRECTORY", "/var/lib/ppmm/collector:/var/lib/other"}, {"RUNTIME_DIRECTORY", "/run/ppmm"}}));
  EXPECT_EQ(paths.config_file, "/etc/ppmm/collector.yaml");
  EXPECT_EQ(paths.data, "/var/lib/ppmm/collector");
  EXPECT_EQ(paths.socket, "/run/ppmm/collector.sock");
}

TEST(DefaultPathsTest, AreEmptyWithoutAHome) {
  const DefaultPaths paths = DefaultPathsOf("agent", false, With({{"HOME", "."}}));
  EXPECT_EQ(paths.config_file, "");
  EXPECT_EQ(paths.data, "");
  EXPECT_EQ(paths.socket, "");
}

}  // namespace
}  // namespace ppmm
