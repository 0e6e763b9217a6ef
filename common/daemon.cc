#include "common/daemon.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"

#include "common/config_loader.h"
#include "common/log.h"
#include "common/mistyped_flag.h"
#include "common/version.h"

namespace ppmm {
namespace {

int SignalDescriptor() {
  sigset_t handled;
  sigemptyset(&handled);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    sigaddset(&handled, signal);
  }
  pthread_sigmask(SIG_BLOCK, &handled, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace

int DaemonMain(CLI::App& app, absl::string_view program, int argc, char** argv, const DefaultPaths& paths,
               const DaemonFlags& flags, const std::function<absl::Status()>& load, const std::function<int()>& run) {
  app.set_version_flag("--version", absl::StrCat(program, " ", kVersion));
  app.add_option("--config", *flags.config, "configuration file; by default " + paths.config_file + " if it is there");
  app.add_flag("--check-config", *flags.check_config, "check the configuration and end; 78 when it is invalid");
  app.add_option("--data", *flags.data, "folder of what is kept, by default " + paths.data);
  app.add_option("--log-level", *flags.log_level, "debug, info, warning or error");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    std::fprintf(stderr, "%s: %s\n", std::filesystem::path(argv[0]).filename().c_str(), NotTaken(app).c_str());
    return kExitUsage;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EXIT_SUCCESS : kExitUsage;
  }
  if (const absl::Status status = load(); !status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());  // each line names its place
    return kExitConfig;
  }
  if (*flags.check_config) {
    std::printf("the configuration is valid\n");
    return EXIT_SUCCESS;
  }
  return run();
}

int Complain(absl::string_view program, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", std::string(program).c_str(), EscapeForDisplay(status.message(), 2048).c_str());
  return absl::IsInvalidArgument(status) ? kExitConfig : kExitUnavailable;
}

void ApplyLogLevel(config::LogLevel level) {
  const auto* value = config::LogLevel_descriptor()->FindValueByNumber(level);
  SetLogLevel(ConfigWord(*value)).IgnoreError();  // the schema has the same words
}

DaemonSignals::DaemonSignals() : fd_(SignalDescriptor()) {}

DaemonSignals::~DaemonSignals() {
  close(fd_);
}

DaemonSignals::Wish DaemonSignals::Take() {
  signalfd_siginfo signal{};
  if (read(fd_, &signal, sizeof signal) != sizeof signal) {
    return Wish::kNone;
  }
  return signal.ssi_signo == SIGHUP ? Wish::kReload : Wish::kEnd;
}

}  // namespace ppmm
