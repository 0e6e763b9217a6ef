// What both daemons do at their border to the system: exit codes, the flags they share, signals.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "common/default_paths.h"
#include "proto/config_options.pb.h"

namespace CLI {
class App;
}  // namespace CLI

namespace ppmm {

inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnavailable = 69;
inline constexpr int kExitConfig = 78;

// --config, --data, --log-level and --check-config into members of these names of `flags`, --version.
struct DaemonFlags {
  std::optional<std::string>* config;
  std::optional<std::string>* data;
  std::optional<std::string>* log_level;
  bool* check_config;
};

// Adds the shared flags, parses, and then, unless a flag ends the program at once: `load` reads the configuration, and
// `run` runs with it.
//
// Shape: returns the exit code. `program` is the name that --version tells.
int DaemonMain(CLI::App& app, absl::string_view program, int argc, char** argv, const DefaultPaths& paths,
               const DaemonFlags& flags, const std::function<absl::Status()>& load, const std::function<int()>& run);

// Says on stderr why `program` cannot run; returns the exit code.
int Complain(absl::string_view program, const absl::Status& status);

void ApplyLogLevel(config::LogLevel level);

// SIGTERM, SIGINT and SIGHUP as a descriptor; they are blocked in the thread that makes this, and in all that it starts
// afterwards. SIGPIPE is ignored. One thread only.
class DaemonSignals {
 public:
  enum class Wish { kNone, kReload, kEnd };

  DaemonSignals();
  ~DaemonSignals();
  DaemonSignals(const DaemonSignals&) = delete;
  DaemonSignals& operator=(const DaemonSignals&) = delete;

  // For poll(2).
  int fd() const { return fd_; }
  // What the oldest signal not yet taken asks for. Never blocks.
  Wish Take();

 private:
  const int fd_;
};

}  // namespace ppmm
