#include "agent/sources/netstat.h"

#include "absl/strings/str_cat.h"

#include "common/status.h"

namespace ppmm {
namespace {

struct NetstatField {
  absl::string_view protocol;
  absl::string_view name;
  absl::string_view metric;
};

constexpr NetstatField kFields[] = {
    {"Tcp", "ActiveOpens", "ppmm_host_netstat_tcp_active_opens_total"},
    {"Tcp", "PassiveOpens", "ppmm_host_netstat_tcp_passive_opens_total"},
    {"Tcp", "AttemptFails", "ppmm_host_netstat_tcp_attempt_fails_total"},
    {"Tcp", "EstabResets", "ppmm_host_netstat_tcp_estab_resets_total"},
    {"Tcp", "InSegs", "ppmm_host_netstat_tcp_in_segs_total"},
    {"Tcp", "OutSegs", "ppmm_host_netstat_tcp_out_segs_total"},
    {"Tcp", "RetransSegs", "ppmm_host_netstat_tcp_retrans_segs_total"},
    {"Tcp", "InErrs", "ppmm_host_netstat_tcp_in_errs_total"},
    {"Tcp", "OutRsts", "ppmm_host_netstat_tcp_out_rsts_total"},
    {"Udp", "InDatagrams", "ppmm_host_netstat_udp_in_datagrams_total"},
    {"Udp", "OutDatagrams", "ppmm_host_netstat_udp_out_datagrams_total"},
    {"Udp", "InErrors", "ppmm_host_netstat_udp_in_errors_total"},
    {"Udp", "RcvbufErrors", "ppmm_host_netstat_udp_rcvbuf_errors_total"},
    {"TcpExt", "ListenOverflows", "ppmm_host_netstat_tcpext_listen_overflows_total"},
    {"TcpExt", "ListenDrops", "ppmm_host_netstat_tcpext_listen_drops_total"},
    {"TcpExt", "TCPSynRetrans", "ppmm_host_netstat_tcpext_tcp_syn_retrans_total"},
    {"TcpExt", "TCPTimeouts", "ppmm_host_netstat_tcpext_tcp_timeouts_total"},
    {"Tcp", "CurrEstab", "ppmm_host_netstat_tcp_curr_estab"},
};

}  // namespace

absl::Status ParseNetstat(
    absl::string_view path, absl::string_view text,
    const std::function<void(absl::string_view protocol, absl::string_view name, std::uint64_t value)>& take) {
  absl::string_view names;
  for (int number = 1; NextLine(&text, &names); number += 2) {
    absl::string_view values;
    if (!NextLine(&text, &values)) {
      return ParseError(path, number, "has no line of values after it");
    }
    absl::string_view protocol;
    absl::string_view second_protocol;
    NextField(&names, &protocol);
    NextField(&values, &second_protocol);
    if (protocol != second_protocol || protocol.empty() || protocol.back() != ':') {
      return ParseError(path, number + 1, absl::StrCat("does not belong to \"", protocol, "\""));
    }
    protocol.remove_suffix(1);
    absl::string_view name;
    while (NextField(&names, &name)) {
      absl::string_view field;
      if (!NextField(&values, &field)) {
        return ParseError(path, number + 1, absl::StrCat("ends before the value of ", name));
      }
      std::uint64_t value = 0;
      if (ParseUint(field, &value)) {
        take(protocol, name, value);
      } else if (field[0] != '-') {
        return ParseError(path, number + 1, absl::StrCat("\"", field, "\" is not a number"));
      }
    }
  }
  return absl::OkStatus();
}

NetstatSource::NetstatSource(absl::string_view root)
    : snmp_(root, root.empty() ? "/proc/net/snmp" : "/proc/1/net/snmp"),
      netstat_(root, root.empty() ? "/proc/net/netstat" : "/proc/1/net/netstat"),
      series_(std::size(kFields)) {}

absl::Status NetstatSource::Sample(absl::Time /*now*/, Recorder& recorder) {
  for (ProcFile* file : {&snmp_, &netstat_}) {
    ASSIGN_OR_RETURN(const absl::string_view text, file->Read());
    RETURN_IF_ERROR(
        ParseNetstat(file->path(), text, [&](absl::string_view protocol, absl::string_view name, std::uint64_t value) {
          for (std::size_t i = 0; i < std::size(kFields); ++i) {
            if (kFields[i].name != name || kFields[i].protocol != protocol) {
              continue;
            }
            const Metric& metric = MetricNamed(kFields[i].metric);
            if (series_[i] == 0) {
              series_[i] = recorder.AddSeries(recorder.host(), metric);
            }
            if (metric.kind == MetricKind::kGauge) {
              recorder.Gauge(series_[i], static_cast<std::int64_t>(value));
            } else {
              recorder.Counter(series_[i], value);
            }
          }
        }));
  }
  return absl::OkStatus();
}

}  // namespace ppmm
