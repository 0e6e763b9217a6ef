// ppmm-agent: flags -> configuration -> parts -> run -> drain.
#include <malloc.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_join.h"

#include "agent/agent.h"
#include "agent/config.h"
#include "agent/resident_pages.h"
#include "agent/sources.h"
#include "agent/status_socket.h"
#include "common/clock.h"
#include "common/config_loader.h"
#include "common/default_paths.h"
#include "common/log.h"
#include "common/sd_notify.h"
#include "common/version.h"

namespace ppmm {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitUnavailable = 69;
constexpr int kExitConfig = 78;
constexpr absl::Duration kDrain = absl::Seconds(5);
// By then the first connection is made, and what only the start needed can go.
constexpr absl::Duration kSettled = absl::Seconds(20);

int Complain(const absl::Status& status) {
  std::fprintf(stderr, "ppmm-agent: %s\n", EscapeForDisplay(status.message(), 2048).c_str());
  return absl::IsInvalidArgument(status) ? kExitConfig : kExitUnavailable;
}

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

void ApplyLogLevel(const config::AgentConfig& config) {
  const auto* value = config::LogLevel_descriptor()->FindValueByNumber(config.log_level());
  SetLogLevel(ConfigWord(*value)).IgnoreError();  // the schema has the same words
}

// Reads everything anew and takes the log level; a bad file changes nothing.
void Reload(const AgentFlags& flags, const DefaultPaths& paths, const config::AgentConfig& running) {
  const absl::StatusOr<config::AgentConfig> config = LoadAgentConfig(flags, paths, SourceNames());
  if (!config.ok()) {
    LogError("agent", "the configuration was not taken, the running one is unchanged: ", config.status().message());
    return;
  }
  ApplyLogLevel(*config);
  const std::vector<std::string> waiting = ChangesThatNeedRestart(running, *config);
  LogInfo("agent", "configuration taken",
          waiting.empty() ? "" : "; these wait for a restart: ", absl::StrJoin(waiting, ", "));
}

// Blocks the signals that we handle in every thread, and gives the descriptor that tells of them.
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

int Run(const AgentFlags& flags, const DefaultPaths& paths, const config::AgentConfig& config) {
  const AgentSettings settings = SettingsOf(config);
  RealClock clock;
  const int signals = SignalDescriptor();
  const SdNotify notify;
  absl::StatusOr<std::unique_ptr<StatusSocket>> socket = StatusSocket::Listen(settings.socket);
  if (absl::IsAlreadyExists(socket.status())) {
    return Complain(socket.status());
  }
  if (!socket.ok()) {
    LogWarning("agent", "no status socket: ", socket.status().message());
  }
  const absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Start(settings, &clock);
  if (!agent.ok()) {
    return Complain(agent.status());
  }
  LogInfo("agent", "ppmm-agent ", kVersion, " sends to ", settings.collector, ", data in ", settings.data);
  notify.Ready().IgnoreError();  // systemd then says so itself
  bool settled = false;
  const absl::Duration started = clock.SinceBoot();
  for (;;) {
    pollfd watched[] = {{signals, POLLIN, 0}, {socket.ok() ? (*socket)->fd() : -1, POLLIN, 0}};
    poll(watched, 2, 1000);
    if (watched[0].revents != 0) {
      signalfd_siginfo signal{};
      if (read(signals, &signal, sizeof signal) != sizeof signal || signal.ssi_signo != SIGHUP) {
        break;
      }
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

int Once(const config::AgentConfig& config) {
  RealClock clock;
  const absl::StatusOr<std::string> text = DescribeOnce(SettingsOf(config), &clock);
  if (!text.ok()) {
    return Complain(text.status());
  }
  std::fputs(text->c_str(), stdout);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace ppmm

int main(int argc, char** argv) {
  mallopt(M_ARENA_MAX, 1);  // many idle threads on large hosts must not hold an arena each
  const ppmm::DefaultPaths paths = ppmm::DefaultPathsOf("agent", geteuid() == 0, ppmm::ProcessEnvironment);
  ppmm::AgentFlags flags;
  bool check = false;
  bool once = false;
  CLI::App app("Gathers utilization, throughput and response times of this host and sends them to a ppmm collector.");
  app.set_version_flag("--version", ppmm::kVersion);
  app.add_option("--config", flags.config, "configuration file; by default " + paths.config_file + " if it is there");
  app.add_flag("--check-config", check, "check the configuration and end; 78 when it is invalid");
  app.add_option("--collector", flags.collector, "ADDR:PORT of the collector, by default 127.0.0.1:7767");
  app.add_option("--group", flags.group, "group of this host, by default default");
  app.add_option("--host-id", flags.host_id, "32 hexadecimal digits instead of what follows from the machine id");
  app.add_option("--root", flags.root, "the host's root, when in a container");
  app.add_option("--data", flags.data, "folder of identity and spool");
  app.add_option("--socket", flags.socket, "Unix socket of the status");
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error");
  app.add_flag("--once", once, "print this host's utilization and applications, and end");
  app.add_flag("--no-bpf", flags.no_bpf, "read /proc instead of loading BPF programs");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EXIT_SUCCESS : ppmm::kExitUsage;
  }
  const absl::StatusOr<ppmm::config::AgentConfig> config = ppmm::LoadAgentConfig(flags, paths, ppmm::SourceNames());
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", std::string(config.status().message()).c_str());
    return ppmm::kExitConfig;
  }
  if (check) {
    std::printf("the configuration is valid\n");
    return EXIT_SUCCESS;
  }
  ppmm::ApplyLogLevel(*config);
  return once ? ppmm::Once(*config) : ppmm::Run(flags, paths, *config);
}
