// ppmm-collector: flags -> configuration -> parts -> run -> drain.
#include <poll.h>
#include <unistd.h>

#include <cstdlib>

#include "CLI/CLI.hpp"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

#include "collector/collector.h"
#include "collector/config.h"
#include "collector/waiting.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/sd_notify.h"
#include "common/status.h"
#include "common/version.h"

namespace ppmm {
namespace {

constexpr absl::Duration kDrain = absl::Seconds(5);

// Reads everything anew; a bad file changes nothing.
void Reload(const CollectorFlags& flags, const DefaultPaths& paths, Collector& collector) {
  const absl::StatusOr<config::CollectorConfig> config = LoadCollectorConfig(flags, paths);
  const absl::StatusOr<std::vector<std::string>> waiting = collector.Reload(config);
  if (!waiting.ok()) {
    LogError("collector", "nothing was taken, the running configuration is unchanged: ",
             absl::StrReplaceAll(waiting.status().message(), {{"\n", "; "}}));
    return;
  }
  ApplyLogLevel(config->log_level());
  LogInfo("collector", "configuration and inventory taken",
          waiting->empty() ? "" : "; these wait for a restart: ", absl::StrJoin(*waiting, ", "));
}

// The collector, once its store can be opened; nullptr: the end was asked for before.
absl::StatusOr<std::unique_ptr<Collector>> StartOrWait(const config::CollectorConfig& config, const Clock* clock,
                                                       CollectorStart how, DaemonSignals& signals,
                                                       const SdNotify& notify) {
  while (true) {
    absl::StatusOr<std::unique_ptr<Collector>> collector = Collector::Start(config, clock, how);
    if (!MayPass(collector.status(), config)) {
      return collector;
    }
    absl::Status why = collector.status();
    ASSIGN_OR_RETURN(const std::unique_ptr<WaitingForStore> waiting, WaitingForStore::Start(config, clock, why));
    LogError("collector", "cannot open the store, and waits until it can: ", why.message(), "; HTTP port ",
             waiting->http_port());
    notify.Ready().IgnoreError();  // systemd then says so itself
    while (MayPass(why, config)) {
      pollfd watched = {signals.fd(), POLLIN, 0};
      poll(&watched, 1, 1000);
      const DaemonSignals::Wish wish = signals.Take();
      if (wish == DaemonSignals::Wish::kEnd) {
        return nullptr;
      }
      if (wish == DaemonSignals::Wish::kReload) {
        LogWarning("collector", "nothing was taken: it waits for its store; reload once it is open");
      }
      why = waiting->Try();
      notify.Watchdog().IgnoreError();  // as above
      notify.Status(why.message()).IgnoreError();
    }
  }
}

int Run(const CollectorFlags& flags, const DefaultPaths& paths, const config::CollectorConfig& config,
        CollectorStart how) {
  RealClock clock;
  DaemonSignals signals;
  const SdNotify notify;
  const absl::StatusOr<std::unique_ptr<Collector>> collector = StartOrWait(config, &clock, how, signals, notify);
  if (!collector.ok()) {
    return Complain("ppmm-collector", collector.status());
  }
  if (*collector == nullptr) {
    return EXIT_SUCCESS;
  }
  LogInfo("collector", "ppmm-collector ", kVersion, ": HTTP port ", (*collector)->http_port(), ", gRPC port ",
          (*collector)->grpc_port(), ", data in ", config.data());
  notify.Ready().IgnoreError();  // systemd then says so itself
  for (;;) {
    pollfd watched = {signals.fd(), POLLIN, 0};
    poll(&watched, 1, 1000);
    const DaemonSignals::Wish wish = signals.Take();
    if (wish == DaemonSignals::Wish::kEnd) {
      break;
    }
    if (wish == DaemonSignals::Wish::kReload) {
      Reload(flags, paths, **collector);
    }
    // A sign that is not taken is what the watchdog is for.
    (*collector)->Tick(notify.Watchdog().ok() && notify.enabled() && notify.watchdog_period().has_value());
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
  absl::StatusOr<ppmm::config::CollectorConfig> config;
  ppmm::CollectorStart how;
  CLI::App app("Takes what ppmm-agents send, keeps it, exposes it to Prometheus and rates the organization.");
  app.add_option("--http-listen", flags.http_listen, "ADDR:PORT of HTTP, by default 127.0.0.1:7766");
  app.add_option("--grpc-listen", flags.grpc_listen, "ADDR:PORT for agents, by default 127.0.0.1:7767");
  app.add_option("--socket", flags.socket, "Unix socket, by default " + paths.socket);
  app.add_option("--organization", flags.organization, "name of what is rated");
  app.add_flag("--restored", how.restored,
               "once, after a backup was restored: the store gets a new id, totals begin at 0");
  app.add_flag("--accept-clock", how.accept_clock,
               "once, when `ppmm status` says that nobody vouches for the clock, and the clock is right");
  const auto load = [&] {
    config = ppmm::LoadCollectorConfig(flags, paths);
    return config.status();
  };
  return ppmm::DaemonMain(app, "ppmm-collector", argc, argv, paths,
                          {&flags.config, &flags.data, &flags.log_level, &flags.check_config}, load, [&] {
                            ppmm::ApplyLogLevel(config->log_level());
                            return ppmm::Run(flags, paths, *config, how);
                          });
}
