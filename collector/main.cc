// ppmm-collector: flags -> configuration -> parts -> run -> drain.
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"

#include "collector/collector.h"
#include "collector/config.h"
#include "common/log.h"
#include "common/sd_notify.h"
#include "common/version.h"

namespace ppmm {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitUnavailable = 69;
constexpr int kExitConfig = 78;
constexpr absl::Duration kDrain = absl::Seconds(5);

void Complain(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
}

int SignalDescriptor() {
  sigset_t handled;
  sigemptyset(&handled);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    sigaddset(&handled, signal);
  }
  pthread_sigmask(SIG_BLOCK, &handled, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &handled, SFD_CLOEXEC);
}

// Reads everything anew; a bad file changes nothing.
void Reload(const CollectorFlags& flags, const DefaultPaths& paths, Collector& collector) {
  const absl::StatusOr<config::CollectorConfig> config = LoadCollectorConfig(flags, paths);
  collector.NoteReload(config.status());
  if (!config.ok()) {
    LogError("collector", "the configuration was not taken, the running one is unchanged: ", config.status().message());
    return;
  }
  const absl::Status level = SetLogLevel(absl::AsciiStrToLower(config::LogLevel_Name(config->log_level()).substr(10)));
  LogInfo("collector", level.ok() ? "configuration taken; listeners, data directory and names wait for a restart"
                                  : "configuration taken");
}

int Run(const CollectorFlags& flags, const DefaultPaths& paths, const config::CollectorConfig& config) {
  RealClock clock;
  const int signals = SignalDescriptor();
  const SdNotify notify;
  const absl::StatusOr<std::unique_ptr<Collector>> collector = Collector::Start(config, &clock);
  if (!collector.ok()) {
    std::fprintf(stderr, "ppmm-collector: ");
    Complain(collector.status());
    return absl::IsInvalidArgument(collector.status()) ? kExitConfig : kExitUnavailable;
  }
  LogInfo("collector", "ppmm-collector ", kVersion, ": HTTP port ", (*collector)->http_port(), ", gRPC port ",
          (*collector)->grpc_port(), ", data in ", config.data());
  notify.Ready().IgnoreError();  // systemd then says so itself
  for (bool running = true; running;) {
    pollfd watched = {signals, POLLIN, 0};
    poll(&watched, 1, 1000);
    if (watched.revents != 0) {
      signalfd_siginfo signal{};
      const bool read_one = read(signals, &signal, sizeof signal) == sizeof signal;
      if (read_one && signal.ssi_signo == SIGHUP) {
        Reload(flags, paths, **collector);
      } else {
        running = false;
      }
    }
    (*collector)->Tick();
    notify.Watchdog().IgnoreError();  // a missed one is what the watchdog is for
    notify.Status((*collector)->StatusLine()).IgnoreError();
  }
  notify.Stopping().IgnoreError();  // as above
  LogInfo("collector", "stopping");
  (*collector)->Stop(kDrain);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace ppmm

int main(int argc, char** argv) {
  const ppmm::DefaultPaths paths = ppmm::DefaultPathsOf("collector", geteuid() == 0, ppmm::ProcessEnvironment);
  ppmm::CollectorFlags flags;
  bool check = false;
  CLI::App app("Takes what ppmm-agents send, keeps it, exposes it to Prometheus and rates the organization.");
  app.set_version_flag("--version", ppmm::kVersion);
  app.add_option("--config", flags.config, "configuration file; by default " + paths.config_file + " if it is there");
  app.add_flag("--check-config", check, "check the configuration and end; 78 when it is invalid");
  app.add_option("--data", flags.data, "folder of the database");
  app.add_option("--http-listen", flags.http_listen, "ADDR:PORT of HTTP, by default 127.0.0.1:7766");
  app.add_option("--grpc-listen", flags.grpc_listen, "ADDR:PORT for agents, by default 127.0.0.1:7767");
  app.add_option("--organization", flags.organization, "name of what is rated");
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EXIT_SUCCESS : ppmm::kExitUsage;
  }
  const absl::StatusOr<ppmm::config::CollectorConfig> config = ppmm::LoadCollectorConfig(flags, paths);
  if (!config.ok()) {
    ppmm::Complain(config.status());
    return ppmm::kExitConfig;
  }
  if (check) {
    std::printf("the configuration is valid\n");
    return EXIT_SUCCESS;
  }
  return ppmm::Run(flags, paths, *config);
}
