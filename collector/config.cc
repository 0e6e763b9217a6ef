#include "collector/config.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "collector/inventory.h"
#include "common/addresses.h"
#include "common/config_checks.h"
#include "common/log.h"
#include "common/tls_files.h"

namespace ppmm {
namespace {

// Name or address without port: what stands in a Host header before the colon.
bool IsHostName(absl::string_view text) {
  const bool v6 = absl::StrContains(text, ':');
  return ParseHostPort(v6 ? absl::StrCat("[", text, "]:1") : absl::StrCat(text, ":1")).ok();
}

// http or https, a host, perhaps a port and a path; it is put before further paths, so nothing may follow these.
bool IsBaseUrl(absl::string_view url) {
  if (!absl::ConsumePrefix(&url, "https://") && !absl::ConsumePrefix(&url, "http://")) {
    return false;
  }
  const absl::string_view authority = url.substr(0, url.find('/'));
  const absl::string_view path = url.substr(authority.size());
  const bool has_port = authority.rfind(':') != absl::string_view::npos && !absl::EndsWith(authority, "]");
  return ParseHostPort(has_port ? std::string(authority) : absl::StrCat(authority, ":1")).ok() &&
         std::all_of(path.begin(), path.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  absl::string_view("/-._~%").find(c) != absl::string_view::npos;
         });
}

void CheckHttp(const config::CollectorHttp& http, ConfigReport* report) {
  constexpr int kHttpPort = 7766;  // the default
  if (const auto listen = ParseListenAddress(http.listen(), kHttpPort); !listen.ok()) {
    report->AddError("http.listen", listen.status().message());
  }
  for (int i = 0; i < http.names_size(); ++i) {
    if (!IsHostName(http.names(i))) {
      report->AddError(absl::StrCat("http.names[", i, "]"),
                       absl::StrCat("\"", EscapeForDisplay(http.names(i), 64),
                                    "\" is no host name; write it without scheme and port, as ppmm.example"));
    }
  }
  if (!http.external_url().empty() && !IsBaseUrl(http.external_url())) {
    report->AddError("http.external_url", absl::StrCat("\"", EscapeForDisplay(http.external_url(), 128),
                                                       "\" is no address that links can begin with; write it as "
                                                       "https://ppmm.example or https://example.org/ppmm"));
  }
}

void CheckGrpc(const config::CollectorGrpc& grpc, ConfigReport* report) {
  if (const auto listen = ParseListenAddress(grpc.listen()); !listen.ok()) {
    report->AddError("grpc.listen", listen.status().message());
  }
  CheckTls(TlsFieldsOf(grpc), report);
}

}  // namespace

TlsFields TlsFieldsOf(const config::CollectorGrpc& grpc) {
  const auto listen = ParseListenAddress(grpc.listen());
  return {.path = "grpc.tls",
          .address_path = "grpc.listen",
          .address = grpc.listen(),
          .ca_name = "client_ca",
          .certificate = grpc.tls().certificate(),
          .key = grpc.tls().key(),
          .ca = grpc.tls().client_ca(),
          .insecure_network = grpc.tls().insecure_network(),
          // An address with a mistake has been told already.
          .is_loopback = !listen.ok() || listen->IsLoopback()};
}

config::CollectorConfig DefaultCollectorConfig(const DefaultPaths& paths) {
  config::CollectorConfig config;
  SetDefaults(&config);
  config.set_data(paths.data);
  config.set_socket(paths.socket);
  config.set_inventory(paths.inventory_file);
  return config;
}

void Validate(const config::CollectorConfig& config, ConfigReport* report) {
  if (config.organization().empty() || config.organization().size() > 128) {
    report->AddError("organization", "must be a name of 1 to 128 bytes");
  }
  CheckHttp(config.http(), report);
  CheckGrpc(config.grpc(), report);
  const auto http = ParseListenAddress(config.http().listen());
  const auto grpc = ParseListenAddress(config.grpc().listen());
  if (http.ok() && grpc.ok() && *http == *grpc && http->port != 0) {
    report->AddError("grpc.listen", "is the same as http.listen; each needs its own port");
  }
  CheckPath("data", config.data(), report);
  CheckSocketPath("socket", config.socket(), report);
  for (int i = 0; i < config.networks_size(); ++i) {
    if (const auto network = Network::ParseOwn(config.networks(i)); !network.ok()) {
      report->AddError(absl::StrCat("networks[", i, "]"), network.status().message());
    }
  }
  CheckPath("inventory", config.inventory(), report);
  if (config.retention().hours_days() < config.retention().minutes_days()) {
    report->AddError("retention.hours_days",
                     absl::StrCat(config.retention().hours_days(), " is less than retention.minutes_days, which is ",
                                  config.retention().minutes_days()));
  }
}

config::CollectorConfig LoadCollectorConfig(const CollectorFlags& flags, const DefaultPaths& paths,
                                            ConfigReport* report) {
  config::CollectorConfig config = DefaultCollectorConfig(paths);
  LoadConfigFile(flags.config, paths.config_file, &config, report);
  const auto set = [&](absl::string_view flag, absl::string_view path, const std::optional<std::string>& text) {
    if (text.has_value()) {
      SetFromFlag(flag, path, *text, &config, report);
    }
  };
  set("--organization", "organization", flags.organization);
  set("--http-listen", "http.listen", flags.http_listen);
  set("--grpc-listen", "grpc.listen", flags.grpc_listen);
  if (flags.data.has_value()) {
    SetFromFlag("--data", "data", AbsolutePath(*flags.data), &config, report);
  }
  if (flags.socket.has_value()) {
    SetFromFlag("--socket", "socket", AbsolutePath(*flags.socket), &config, report);
  }
  set("--log-level", "log_level", flags.log_level);
  if (!report->unread()) {
    Validate(config, report);
    CheckTlsFiles(TlsFieldsOf(config.grpc()), report);
    CheckInventory(config.inventory(), report);
  }
  return config;
}

absl::StatusOr<config::CollectorConfig> LoadCollectorConfig(const CollectorFlags& flags, const DefaultPaths& paths) {
  const std::string origin = flags.config.value_or(paths.config_file);
  ConfigReport report(origin.empty() ? "configuration" : origin);
  config::CollectorConfig config = LoadCollectorConfig(flags, paths, &report);
  if (!report.ok()) {
    return report.Refusal();
  }
  return config;
}

}  // namespace ppmm
