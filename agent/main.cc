// ppmm-agent: flags -> configuration -> parts -> run -> drain.
#include <malloc.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "CLI/CLI.hpp"

#include "agent/agent.h"
#include "agent/resident_pages.h"
#include "agent/status_socket.h"
#include "common/clock.h"
#include "common/default_paths.h"
#include "common/log.h"
#include "common/sd_notify.h"
#include "common/version.h"

namespace ppmm {
namespace {

constexpr int kExitUnavailable = 69;
constexpr int kExitConfig = 78;
constexpr absl::Duration kDrain = absl::Seconds(5);
// By then the first connection is made, and what only the start needed can go.
constexpr absl::Duration kSettled = absl::Seconds(20);

int Complain(const absl::Status& status) {
  std::fprintf(stderr, "ppmm-agent: %s\n", EscapeForDisplay(status.message(), 2048).c_str());
  return absl::IsInvalidArgument(status) ? kExitConfig : kExitUnavailable;
}

// Blocks the signals that end us in every thread, and gives the descriptor that tells of them.
int SignalDescriptor() {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &ending, SFD_CLOEXEC);
}

int Run(const AgentSettings& settings) {
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
      break;
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

int Once(const AgentSettings& settings) {
  RealClock clock;
  const absl::StatusOr<std::string> text = DescribeOnce(settings, &clock);
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
  ppmm::AgentSettings settings;
  settings.data = paths.data;
  settings.socket = paths.socket;
  std::string log_level = "info";
  bool once = false;
  bool no_bpf = false;
  CLI::App app("Gathers utilization, throughput and response times of this host and sends them to a ppmm collector.");
  app.set_version_flag("--version", ppmm::kVersion);
  app.add_option("--collector", settings.collector, "ADDR:PORT of the collector")->capture_default_str();
  app.add_option("--group", settings.group, "group of this host")->capture_default_str();
  app.add_option("--host-id", settings.host_id_override, "stands for the machine id");
  app.add_option("--root", settings.root, "the host's root, when in a container");
  app.add_option("--data", settings.data, "folder of identity and spool")->capture_default_str();
  app.add_option("--socket", settings.socket, "Unix socket of the status")->capture_default_str();
  app.add_option("--log-level", log_level, "debug, info, warning or error")->capture_default_str();
  app.add_flag("--once", once, "print this host's utilization and applications, and end");
  app.add_flag("--no-bpf", no_bpf, "read /proc instead of loading BPF programs");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EXIT_SUCCESS : 2;
  }
  settings.use_bpf = !no_bpf;
  if (const absl::Status status = ppmm::SetLogLevel(log_level); !status.ok()) {
    std::fprintf(stderr, "ppmm-agent: %s\n", std::string(status.message()).c_str());
    return 2;
  }
  return once ? ppmm::Once(settings) : ppmm::Run(settings);
}
