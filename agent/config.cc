#include "agent/config.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include "common/addresses.h"
#include "common/config_checks.h"
#include "common/log.h"
#include "common/nearest.h"
#include "common/status.h"
#include "common/tls_files.h"

namespace ppmm {
namespace {

bool IsGroup(absl::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

bool IsHostId(absl::string_view text) {
  return text.size() == 32 && std::all_of(text.begin(), text.end(),
                                          [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
}

void CheckSources(const config::AgentSources& sources, absl::Span<const absl::string_view> known,
                  ConfigReport* report) {
  const std::vector<std::string> names(known.begin(), known.end());
  for (int i = 0; i < sources.disable_size(); ++i) {
    const std::string& name = sources.disable(i);
    const std::string field = absl::StrCat("sources.disable[", i, "]");
    if (name == "sockets") {  // has a state of its own, in `ppmm hosts` and `ppmm doctor`
      report->AddError(field, "\"sockets\" are read for applications: write applications, and both are not read");
    } else if (std::find(names.begin(), names.end(), name) == names.end()) {
      const std::string near = DidYouMean(name, names);
      report->AddError(field,
                       absl::StrCat("unknown source \"", EscapeForDisplay(name, 64), "\"",
                                    near.empty() ? absl::StrCat("; there are ", absl::StrJoin(names, ", ")) : near));
    }
  }
}

TlsFields TlsFieldsOf(const config::AgentConfig& config) {
  const auto collector = ParseHostPort(config.collector());
  return {.path = "tls",
          .address_path = "collector",
          .address = config.collector(),
          .ca_name = "ca",
          .certificate = config.tls().certificate(),
          .key = config.tls().key(),
          .ca = config.tls().ca(),
          .insecure_network = config.tls().insecure_network(),
          // An address with a mistake has been told already.
          .is_loopback = !collector.ok() || collector->IsLoopback()};
}

void CheckCertificates(const AgentFlags& flags, const config::AgentConfig& config, ConfigReport* report) {
  if (flags.check_config) {
    CheckTlsFiles(TlsFieldsOf(config), report);
  } else if (report->ok()) {
    ConfigReport now = *report;  // it knows the places
    CheckTlsFiles(TlsFieldsOf(config), &now);
    for (const ConfigError& error : now.errors()) {
      LogError("agent", ToString(error), ". Nothing is sent until then; what is gathered waits in the spool");
    }
  }
}

// The first file that the agent reads there, and cannot do without.
void CheckRoot(absl::string_view root, ConfigReport* report) {
  constexpr absl::string_view kFile = "proc/sys/kernel/random/boot_id";
  while (absl::ConsumeSuffix(&root, "/")) {
  }
  const std::string path = absl::StrCat(root, "/", kFile);
  if (access(path.c_str(), R_OK) != 0) {
    report->AddError("root", absl::StrCat(ErrnoStatus(errno, EscapeForDisplay(path, 256)).message(),
                                          "; name the folder under which the host's / is seen"));
  }
}

}  // namespace

config::AgentConfig DefaultAgentConfig(const DefaultPaths& paths) {
  config::AgentConfig config;
  SetDefaults(&config);
  config.set_data(paths.data);
  config.set_socket(paths.socket);
  return config;
}

void Validate(const config::AgentConfig& config, absl::Span<const absl::string_view> sources, ConfigReport* report) {
  if (const auto collector = ParseHostPort(config.collector()); !collector.ok()) {
    report->AddError("collector", collector.status().message());
  }
  if (!IsGroup(config.group())) {
    report->AddError("group", absl::StrCat("\"", EscapeForDisplay(config.group(), 64),
                                           "\" must be 1 to 64 letters, digits, \".\", \"_\" or \"-\""));
  }
  if (!config.host_id().empty() && !IsHostId(config.host_id())) {
    report->AddError("host_id",
                     absl::StrCat("\"", EscapeForDisplay(config.host_id(), 64), "\" must be 32 hexadecimal digits"));
  }
  CheckPath("root", config.root(), report);
  CheckPath("data", config.data(), report);
  CheckSocketPath("socket", config.socket(), report);
  if (config.spool().max_bytes() < 4 * config.spool().segment_bytes()) {
    report->AddError("spool.segment_bytes",
                     "must be at most a quarter of spool.max_bytes: a full spool drops a segment");
  }
  CheckTls(TlsFieldsOf(config), report);
  if (!config.tls().server_name().empty() && config.tls().certificate().empty()) {
    report->AddError("tls.server_name", "is checked against a certificate, and there is none; set tls.certificate");
  }
  CheckSources(config.sources(), sources, report);
}

config::AgentConfig LoadAgentConfig(const AgentFlags& flags, const DefaultPaths& paths,
                                    absl::Span<const absl::string_view> sources, ConfigReport* report) {
  config::AgentConfig config = DefaultAgentConfig(paths);
  LoadConfigFile(flags.config, paths.config_file, &config, report);
  const auto set = [&](absl::string_view flag, absl::string_view path, const std::optional<std::string>& text) {
    if (text.has_value()) {
      SetFromFlag(flag, path, *text, &config, report);
    }
  };
  const auto set_path = [&](absl::string_view flag, absl::string_view path, const std::optional<std::string>& text) {
    if (text.has_value()) {
      SetFromFlag(flag, path, AbsolutePath(*text), &config, report);
    }
  };
  set("--collector", "collector", flags.collector);
  set("--group", "group", flags.group);
  set("--host-id", "host_id", flags.host_id);
  set_path("--root", "root", flags.root);
  set_path("--data", "data", flags.data);
  set_path("--socket", "socket", flags.socket);
  if (flags.no_bpf) {
    set("--no-bpf", "sources.bpf", "off");
  }
  set("--log-level", "log_level", flags.log_level);
  if (!report->unread()) {
    Validate(config, sources, report);
    CheckCertificates(flags, config, report);
    if (flags.check_config && absl::StartsWith(config.root(), "/")) {
      CheckRoot(config.root(), report);
    }
  }
  return config;
}

absl::StatusOr<config::AgentConfig> LoadAgentConfig(const AgentFlags& flags, const DefaultPaths& paths,
                                                    absl::Span<const absl::string_view> sources) {
  const std::string origin = flags.config.value_or(paths.config_file);
  ConfigReport report(origin.empty() ? "configuration" : origin);
  config::AgentConfig config = LoadAgentConfig(flags, paths, sources, &report);
  if (!report.ok()) {
    return report.Refusal();
  }
  return config;
}

}  // namespace ppmm
