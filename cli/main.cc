// `ppmm`: asks a collector and prints what it says. The command line only; what is done stands in commands.h.
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"

#include "common/default_paths.h"
#include "common/environment.h"
#include "common/log.h"
#include "common/mistyped_flag.h"
#include "common/nearest.h"
#include "common/ppmm_commands.h"
#include "common/version.h"

namespace {

struct Options {
  ppmm::CollectorAddress collector;
  bool json = false;
  bool verbose = false;
  std::string activity;
  std::string name;
  std::string version;
  std::string at;
  std::string window = "60s";
  bool waiting = false;
  bool all = false;
};

// That of this user's collector, or else the system's.
std::string DefaultSocket() {
  const bool is_root = geteuid() == 0;
  const std::string own = ppmm::DefaultPathsOf("collector", is_root, ppmm::ProcessEnvironment).socket;
  return is_root || access(own.c_str(), F_OK) == 0
             ? own
             : ppmm::DefaultPathsOf("collector", /*is_root=*/true, ppmm::ProcessEnvironment).socket;
}

ppmm::CommandContext ContextOf(const Options& options) {
  ppmm::CommandContext context;
  context.collector = options.collector.socket.empty() ? options.collector.url : options.collector.socket;
  context.get = [collector = options.collector](const std::string& path, std::string* cause) {
    return ppmm::HttpGet(collector, path, cause);
  };
  context.post = [collector = options.collector](const std::string& path, const std::string& body, std::string* cause) {
    ppmm::CollectorAddress through = collector;
    if (through.socket.empty()) {
      through.socket = DefaultSocket();
    }
    return ppmm::HttpPost(through, path, body, cause);
  };
  context.screen = ppmm::ScreenOfStdout(absl::Now());
  context.json = options.json;
  context.verbose = options.verbose;
  context.out = &std::cout;
  context.error = &std::cerr;
  return context;
}

ppmm::HostProbe ProbeThisHost() {
  const ppmm::Environment environment = ppmm::ProcessEnvironment;
  const bool is_root = geteuid() == 0;
  const ppmm::DefaultPaths agent = ppmm::DefaultPathsOf("agent", is_root, environment);
  const ppmm::DefaultPaths collector = ppmm::DefaultPathsOf("collector", is_root, environment);
  return ppmm::ProbeHost("", agent.socket, {agent.data, collector.data});
}

// Commands that later releases have: known, so that they are answered with what they come with, but not listed.
std::vector<CLI::App*> AddCommandsToCome(CLI::App& app) {
  std::vector<CLI::App*> added;
  std::map<std::string, CLI::App*> groups;  // the built ones
  for (CLI::App* subcommand : app.get_subcommands([](CLI::App*) { return true; })) {
    groups[subcommand->get_name()] = subcommand;
  }
  std::set<std::string> known;
  for (const ppmm::PpmmCommand& command : ppmm::PpmmCommands()) {
    const std::vector<std::string> words = absl::StrSplit(command.name, ' ');
    const auto group = groups.find(words.front());
    const bool of_built_group = group != groups.end() && words.size() > 1;
    const std::string& name = of_built_group ? words[1] : words.front();
    if (!command.built() && (of_built_group || known.insert(name).second)) {
      CLI::App* const subcommand = (of_built_group ? group->second : &app)->add_subcommand(name)->group("");
      subcommand->allow_extras()->fallthrough(false)->set_help_flag();
      added.push_back(subcommand);
    }
  }
  return added;
}

int NotInThisRelease(const CLI::App& command) {
  const std::vector<std::string> rest = command.remaining();
  const CLI::App* const parent = command.get_parent();
  const bool of_group = parent->get_parent() != nullptr;
  const std::string line = of_group       ? parent->get_name() + " " + command.get_name()
                           : rest.empty() ? command.get_name()
                                          : command.get_name() + " " + rest.front();
  const ppmm::PpmmCommand* found = ppmm::FindPpmmCommand(line);
  ppmm::PpmmCommand group;  // `ppmm alerts` alone
  for (const ppmm::PpmmCommand& other : ppmm::PpmmCommands()) {
    if (found == nullptr && absl::StartsWith(other.name, command.get_name() + " ")) {
      group.comes_with = other.comes_with;
      found = &group;
    }
  }
  std::cerr << "ppmm " << ppmm::EscapeForDisplay(line) << ": " << ppmm::WhyNotBuilt(*found) << "\n";
  return ppmm::kExitUsage;
}

// Help and version too. What stands where a command should is answered with the nearest right ones.
int NotUnderstood(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> extras = app.remaining();
  if (const std::string not_taken = ppmm::NotTaken(app);
      error.get_exit_code() != 0 && !not_taken.empty() &&
      (!app.get_subcommands().empty() || extras.empty() || absl::StartsWith(extras.front(), "-"))) {
    std::cerr << "ppmm: " << not_taken << "\n";
    return ppmm::kExitUsage;
  }
  if (error.get_exit_code() == 0 || !app.get_subcommands().empty() || extras.empty()) {
    return app.exit(error) == 0 ? ppmm::kExitOk : ppmm::kExitUsage;
  }
  std::vector<std::string> names;
  for (const ppmm::PpmmCommand& command : ppmm::PpmmCommands()) {
    names.emplace_back(command.name.substr(0, command.name.find(' ')));
  }
  std::cerr << "ppmm: no command \"" << ppmm::EscapeForDisplay(extras.front()) << "\""
            << ppmm::DidYouMean(extras.front(), names) << " (ppmm --help lists them)\n";
  return ppmm::kExitUsage;
}

int Run(int argc, char** argv) {
  Options options;
  CLI::App app{
      "ppmm: where is our organization on the Performance Process Maturity Model, and what stops us from being "
      "higher?"};
  app.set_version_flag("--version", std::string("ppmm ") + ppmm::kVersion);
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--collector", options.collector.url, "address of the collector")->capture_default_str();
  app.add_option("--socket", options.collector.socket,
                 "the Unix socket of the collector: what writes goes through it, and what asks where it is named");
  app.add_flag("--json", options.json, "print the collector's answer as JSON");
  app.add_flag("--verbose", options.verbose, "print the cause behind an error");

  CLI::App* const rating = app.add_subcommand("rating", "the level, the progress, and what stops you");
  CLI::App* const next = app.add_subcommand("next-steps", "the cheapest acts toward each rung");
  CLI::App* const activities = app.add_subcommand("activities", "all activities of the catalogue, with their status");
  activities->add_flag("--waiting", options.waiting, "only those that wait for time");
  CLI::App* const explain = app.add_subcommand("explain", "why an activity has its status, and what cures it");
  explain->add_option("ACTIVITY", options.activity, "its id, like INV-001")->required();
  CLI::App* const applications = app.add_subcommand("applications", "applications: origin, throughput, response times");
  applications->add_option("APPLICATION", options.name, "one only, with its evidence");
  applications->add_option("--window", options.window, "over how long: 60s, 5m, 1h")->capture_default_str();
  applications->add_flag("--all", options.all, "those too that serve nobody and use little, or ended");
  CLI::App* const hosts = app.add_subcommand("hosts", "hosts: how they are heard of, their load, their sources");
  hosts->add_option("HOST", options.name, "one only, with its sources");
  CLI::App* const dependencies =
      app.add_subcommand("dependencies", "which application calls which service, as measured");
  dependencies->add_option("APPLICATION", options.name, "one only, as caller or as what is called");
  dependencies->add_flag("--all", options.all, "those too that say little: one short connection, or of ~other");
  CLI::App* const releases = app.add_subcommand("releases", "new versions, with what each changed");
  releases->add_option("APPLICATION", options.name, "one only");
  CLI::App* const deployed =
      app.add_subcommand("deployed", "tells that a version was deployed; a release within 10 minutes is then known");
  deployed->add_option("APPLICATION", options.name, "as `ppmm applications` calls it")->required();
  deployed->add_option("VERSION", options.version, "as you call it")->required();
  deployed->add_option("--at", options.at, "when: '2026-11-22 13:00', 13:00, or RFC 3339; by default now");
  CLI::App* const inventory = app.add_subcommand("inventory", "what was found, and what people declare");
  CLI::App* const inventory_show =
      inventory->require_subcommand(1)->add_subcommand("show", "hosts, applications, and what people declare of them");
  CLI::App* const status = app.add_subcommand("status", "the collector itself");
  CLI::App* const check = app.add_subcommand("check", "every mistake in a file: configuration of agent or collector");
  check->add_option("FILE", options.name, "the kind is found by its content")->required();
  CLI::App* const doctor = app.add_subcommand("doctor", "what keeps you from being measured in full, and its cure");

  const std::vector<CLI::App*> to_come = AddCommandsToCome(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return NotUnderstood(app, error);
  }
  for (const CLI::App* const command : to_come) {
    if (command->parsed()) {
      return NotInThisRelease(*command);
    }
  }
  const ppmm::CommandContext context = ContextOf(options);
  if (rating->parsed()) {
    return ppmm::RatingCommand(context);
  }
  if (next->parsed()) {
    return ppmm::NextStepsCommand(context);
  }
  if (activities->parsed()) {
    return ppmm::ActivitiesCommand(context, options.waiting);
  }
  if (explain->parsed()) {
    return ppmm::ExplainCommand(context, options.activity);
  }
  if (applications->parsed()) {
    return ppmm::ApplicationsCommand(context, options.window, options.name, options.all);
  }
  if (hosts->parsed()) {
    return ppmm::HostsCommand(context, options.name);
  }
  if (dependencies->parsed()) {
    return ppmm::DependenciesCommand(context, options.name, options.all);
  }
  if (releases->parsed()) {
    return ppmm::ReleasesCommand(context, options.name);
  }
  if (deployed->parsed()) {
    return ppmm::DeployedCommand(context, options.name, options.version, options.at);
  }
  if (inventory_show->parsed()) {
    return ppmm::InventoryShowCommand(context);
  }
  if (status->parsed()) {
    return ppmm::StatusCommand(context);
  }
  if (check->parsed()) {
    return ppmm::CheckCommand(context, options.name);
  }
  return doctor->parsed() ? ppmm::DoctorCommand(context, ProbeThisHost()) : ppmm::kExitUsage;
}

}  // namespace

int main(int argc, char** argv) {
  const int code = Run(argc, argv);
  if (!std::cout.flush()) {
    std::cerr << "ppmm: the answer cannot be written: " << std::generic_category().message(errno) << "\n";
    return ppmm::kExitUnreachable;
  }
  return code;
}
