#include "agent/plumbing.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace ppmm {
namespace {

struct Listed {
  absl::string_view product;  // source package without version, or the executable's base name
  Plumbing plumbing;
};

constexpr Listed kListed[] = {
    {"openssh", Plumbing::kRemoteLogin},
    {"sshd", Plumbing::kRemoteLogin},
    {"dropbear", Plumbing::kRemoteLogin},
    {"systemd-resolved", Plumbing::kResolver},
    {"dnsmasq", Plumbing::kResolver},
    {"unbound", Plumbing::kResolver},
    {"nscd", Plumbing::kResolver},
    {"unscd", Plumbing::kResolver},
    {"resolvconf", Plumbing::kResolver},
    {"chrony", Plumbing::kTime},
    {"chronyd", Plumbing::kTime},
    {"ntp", Plumbing::kTime},
    {"ntpsec", Plumbing::kTime},
    {"ntpd", Plumbing::kTime},
    {"openntpd", Plumbing::kTime},
    {"systemd-timesyncd", Plumbing::kTime},
    {"linuxptp", Plumbing::kTime},
    {"exim", Plumbing::kLoopbackMail},
    {"exim4", Plumbing::kLoopbackMail},
    {"postfix", Plumbing::kLoopbackMail},
    {"sendmail", Plumbing::kLoopbackMail},
    {"opensmtpd", Plumbing::kLoopbackMail},
    {"nullmailer", Plumbing::kLoopbackMail},
    {"msmtp", Plumbing::kLoopbackMail},
    {"ppmm", Plumbing::kMonitoring},
    {"ppmm-agent", Plumbing::kMonitoring},
    {"ppmm-collector", Plumbing::kMonitoring},
    {"prometheus", Plumbing::kMonitoring},
    {"prometheus-alertmanager", Plumbing::kMonitoring},
    {"alertmanager", Plumbing::kMonitoring},
    {"prometheus-pushgateway", Plumbing::kMonitoring},
    {"grafana", Plumbing::kMonitoring},
    {"netdata", Plumbing::kMonitoring},
    {"telegraf", Plumbing::kMonitoring},
    {"collectd", Plumbing::kMonitoring},
    {"munin", Plumbing::kMonitoring},
    {"zabbix", Plumbing::kMonitoring},
    {"zabbix-agent", Plumbing::kMonitoring},
    {"nagios-nrpe", Plumbing::kMonitoring},
    {"monit", Plumbing::kMonitoring},
    {"icinga", Plumbing::kMonitoring},
    {"net-snmp", Plumbing::kMonitoring},
    {"snmpd", Plumbing::kMonitoring},
    {"sysstat", Plumbing::kMonitoring},
    {"atop", Plumbing::kMonitoring},
    {"datadog-agent", Plumbing::kMonitoring},
    {"fluent-bit", Plumbing::kMonitoring},
    {"promtail", Plumbing::kMonitoring},
    {"filebeat", Plumbing::kMonitoring},
    {"metricbeat", Plumbing::kMonitoring},
    {"otelcol", Plumbing::kMonitoring},
};

bool IsExporter(absl::string_view name) {
  return absl::EndsWith(name, "-exporter") || absl::EndsWith(name, "_exporter");
}

// The base name of the program, which tells the parts of one source package apart (a resolver and a clock daemon of
// one init system).
absl::string_view ProgramOf(absl::string_view executable) {
  absl::ConsumeSuffix(&executable, " (deleted)");
  return executable.substr(executable.rfind('/') + 1);
}

}  // namespace

Plumbing PlumbingOf(const Identity& identity, bool loopback_only) {
  const absl::string_view program = ProgramOf(identity.executable);
  if (IsExporter(identity.name) || IsExporter(identity.product) || IsExporter(program)) {
    return Plumbing::kExporter;
  }
  const auto find = [](absl::string_view name) {
    const auto* it =
        std::find_if(std::begin(kListed), std::end(kListed), [name](const Listed& row) { return row.product == name; });
    return it == std::end(kListed) ? Plumbing::kNone : it->plumbing;
  };
  Plumbing plumbing = find(identity.product);
  if (plumbing == Plumbing::kNone) {
    plumbing = find(program);
  }
  const bool ours = absl::StartsWith(program, "ppmm");
  if (identity.origin == CodeOrigin::kInHouse && !ours) {
    return Plumbing::kNone;
  }
  const bool local_only_kind = plumbing == Plumbing::kLoopbackMail || plumbing == Plumbing::kResolver;
  return local_only_kind && !loopback_only ? Plumbing::kNone : plumbing;
}

absl::string_view PlumbingText(Plumbing plumbing) {
  switch (plumbing) {
    case Plumbing::kRemoteLogin:
      return "remote login";
    case Plumbing::kResolver:
      return "resolver";
    case Plumbing::kTime:
      return "time";
    case Plumbing::kLoopbackMail:
      return "loopback mail";
    case Plumbing::kExporter:
      return "exporter";
    case Plumbing::kMonitoring:
      return "monitoring";
    case Plumbing::kNone:
      break;
  }
  return "";
}

}  // namespace ppmm
