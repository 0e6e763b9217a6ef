// ppmm-agent: flags -> configuration -> parts -> run -> drain.
#include <malloc.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"

#include "agent/agent.h"
#include "agent/config.h"
#include "agent/privacy.h"
#include "agent/resident_pages.h"
#include "agent/source_names.h"
#include "agent/status_socket.h"
#include "common/clock.h"
#include "common/config_loader.h"
#include "common/daemon.h"
#include "common/data_lock.h"
#include "common/default_paths.h"
#include "common/log.h"
#include "common/output_width.h"
#include "common/sd_notify.h"
#include "common/status.h"
#include "common/version.h"

namespace ppmm {
namespace {

constexpr char kProgram[] = "ppmm-agent";
constexpr absl::Duration kDrain = absl::Seconds(5);
// Sources that are read each ten seconds are in it.
constexpr absl::Duration kPrivacyLength = absl::Seconds(12);
// By then the first connection is made, and what only the start needed can go.
constexpr absl::Duration kSettled = absl::Seconds(20);

AgentSettings SettingsOf(const config::AgentConfig& config) {
  AgentSettings settings;
  settings.collector = config.collector();
  settings.group = config.group();
  settings.host_id_override = config.host_id();
  settings.root = config.root() == "/" ? "" : config.root();
  settings.data = config.data();
  settings.socket = config.socket();
  settings.spool_bytes = config.spool().max_bytes();
  settings.spool_segment_bytes = config.spool().segment_bytes();
  settings.tls_ca = config.tls().ca();
  settings.tls_certificate = config.tls().certificate();
  settings.tls_key = config.tls().key();
  settings.tls_server_name = config.tls().server_name();
  settings.insecure_network = config.tls().insecure_network();
  settings.use_bpf = config.sources().bpf() == config::BPF_MODE_AUTO;
  settings.disabled_sources.assign(config.sources().disable().begin(), config.sources().disable().end());
  return settings;
}

// Reads everything anew and takes the log level; a bad file changes nothing.
void Reload(const AgentFlags& flags, const DefaultPaths& paths, const config::AgentConfig& running) {
  const absl::StatusOr<config::AgentConfig> config = LoadAgentConfig(flags, paths, kSourceNames);
  if (!config.ok()) {
    LogError("agent", "the configuration was not taken, the running one is unchanged: ",
             absl::StrReplaceAll(config.status().message(), {{"\n", "; "}}));
    return;
  }
  ApplyLogLevel(config->log_level());
  const std::vector<std::string> waiting = ChangesThatNeedRestart(running, *config);
  LogInfo("agent", "configuration taken",
          waiting.empty() ? "" : "; these wait for a restart: ", absl::StrJoin(waiting, ", "));
}

int Run(const AgentFlags& flags, const DefaultPaths& paths, const config::AgentConfig& config) {
  const AgentSettings settings = SettingsOf(config);
  RealClock clock;
  DaemonSignals signals;
  const SdNotify notify;
  std::error_code ignored;  // the lock says what is wrong
  std::filesystem::create_directories(settings.data, ignored);
  DataLock lock;
  if (const absl::Status status = lock.Take(settings.data, "agent"); absl::IsAlreadyExists(status)) {
    return Complain(kProgram, status);
  } else if (!status.ok()) {
    LogWarning("agent", "a second agent on this data directory would not be noticed: ", status.message());
  }
  absl::StatusOr<std::unique_ptr<StatusSocket>> socket = StatusSocket::Listen(settings.socket);
  if (absl::IsAlreadyExists(socket.status())) {
    return Complain(kProgram, socket.status());
  }
  if (!socket.ok()) {
    LogWarning("agent", "no status socket: ", socket.status().message());
  }
  const absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Start(settings, &clock);
  if (!agent.ok()) {
    return Complain(kProgram, agent.status());
  }
  LogInfo("agent", "ppmm-agent ", kVersion, " sends to ", settings.collector, ", data in ", settings.data);
  notify.Ready().IgnoreError();  // systemd then says so itself
  bool settled = false;
  const absl::Duration started = clock.SinceBoot();
  for (;;) {
    pollfd watched[] = {{signals.fd(), POLLIN, 0}, {socket.ok() ? (*socket)->fd() : -1, POLLIN, 0}};
    poll(watched, 2, 1000);
    const DaemonSignals::Wish wish = signals.Take();
    if (wish == DaemonSignals::Wish::kEnd) {
      break;
    }
    if (wish == DaemonSignals::Wish::kReload) {
      Reload(flags, paths, config);
    }
    if (watched[1].revents != 0) {
      (*socket)->Answer([&] { return (*agent)->StatusJson(); });
    }
    (*agent)->Tick();
    notify.Watchdog().IgnoreError();  // a missed one is what the watchdog is for
    if (!settled && clock.SinceBoot() - started > kSettled) {
      settled = true;
      DropProgramPages();
    }
  }
  notify.Stopping().IgnoreError();  // as above
  LogInfo("agent", "stopping");
  (*agent)->Stop(kDrain);
  return EXIT_SUCCESS;
}

int Print(const absl::StatusOr<std::string>& text) {
  if (!text.ok()) {
    return Complain(kProgram, text.status());
  }
  if (std::fputs(text->c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
    return Complain(kProgram, ErrnoStatus(errno, "the answer cannot be written"));
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace ppmm

int main(int argc, char** argv) {
  mallopt(M_ARENA_MAX, 1);                // many idle threads on large hosts must not hold an arena each
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);  // set, it no longer rises: what is large and rare goes back to the kernel
  const ppmm::DefaultPaths paths = ppmm::DefaultPathsOf("agent", geteuid() == 0, ppmm::ProcessEnvironment);
  ppmm::AgentFlags flags;
  absl::StatusOr<ppmm::config::AgentConfig> config;
  bool once = false;
  bool json = false;
  CLI::App app("Gathers utilization, throughput and response times of this host and sends them to a ppmm collector.");
  app.add_option("--collector", flags.collector, "ADDR:PORT of the collector, by default 127.0.0.1:7767");
  app.add_option("--group", flags.group, "group of this host, by default default");
  app.add_option("--host-id", flags.host_id, "32 hexadecimal digits instead of what follows from the machine id");
  app.add_option("--root", flags.root, "the host's root, when in a container");
  app.add_option("--socket", flags.socket, "Unix socket of the status");
  CLI::Option* const only_once =
      app.add_flag("--once", once, "print this host's utilization and applications, and end");
  app.add_flag("--json", json, "with --once: print one JSON object")->needs(only_once);
  app.add_flag("--no-bpf", flags.no_bpf, "read /proc instead of loading BPF programs");
  const CLI::App* const privacy =
      app.add_subcommand("privacy", "print everything that leaves this host, and end; sends and writes nothing")
          ->fallthrough();
  const auto load = [&] {
    config = ppmm::LoadAgentConfig(flags, paths, ppmm::kSourceNames);
    return config.status();
  };
  return ppmm::DaemonMain(
      app, ppmm::kProgram, argc, argv, paths, {&flags.config, &flags.data, &flags.log_level, &flags.check_config}, load,
      [&] {
        ppmm::ApplyLogLevel(config->log_level());
        const ppmm::RealClock clock;
        if (once) {
          return ppmm::Print(ppmm::DescribeOnce(ppmm::SettingsOf(*config), &clock,
                                                json ? ppmm::OnceForm::kJson : ppmm::OnceForm::kPage,
                                                ppmm::OutputWidth(), absl::SleepFor));
        }
        if (privacy->parsed()) {
          std::fprintf(stderr, "looking for %d s, as the daemon would\n",
                       static_cast<int>(absl::ToInt64Seconds(ppmm::kPrivacyLength)));
          return ppmm::Print(ppmm::DescribePrivacy(ppmm::SettingsOf(*config), &clock, ppmm::kPrivacyLength));
        }
        return ppmm::Run(flags, paths, *config);
      });
}
