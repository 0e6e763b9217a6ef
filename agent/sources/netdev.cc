#include "agent/sources/netdev.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::size_t kMaxDevices = 1024;

}  // namespace

absl::Status ParseNetDev(absl::string_view text, std::vector<NetDevice>* out) {
  std::size_t count = 0;
  absl::string_view line;
  for (int number = 1; NextLine(&text, &line); ++number) {
    const std::size_t colon = line.rfind(':');  // an alias has a colon in its name
    if (colon == absl::string_view::npos) {
      continue;  // the two lines of heading
    }
    absl::string_view name_field = line.substr(0, colon);
    absl::string_view name;
    NextField(&name_field, &name);
    absl::string_view rest = line.substr(colon + 1);
    std::array<std::uint64_t, 12> values{};
    for (std::uint64_t& value : values) {
      if (!NextUint(&rest, &value)) {
        return ParseError("/proc/net/dev", number, absl::StrCat("fewer than 12 numbers after \"", name, ":\""));
      }
    }
    if (count >= kMaxDevices) {
      break;
    }
    if (count == out->size()) {
      out->emplace_back();
    }
    NetDevice& device = (*out)[count++];
    device.name.assign(name.data(), name.size());
    // Received: bytes packets errs drop fifo frame compressed multicast; then sent: bytes packets errs drop.
    device.counters = {values[0], values[1], values[2], values[3], values[8], values[9], values[10], values[11]};
  }
  out->resize(count);
  return absl::OkStatus();
}

NetdevSource::NetdevSource(absl::string_view root)
    : root_(root),
      // Through process 1: below another root, /proc/net would be the namespace of the agent.
      file_(root, root.empty() ? "/proc/net/dev" : "/proc/1/net/dev"),
      series_({"ppmm_host_network_receive_bytes_total", "ppmm_host_network_receive_packets_total",
               "ppmm_host_network_receive_errs_total", "ppmm_host_network_receive_drop_total",
               "ppmm_host_network_transmit_bytes_total", "ppmm_host_network_transmit_packets_total",
               "ppmm_host_network_transmit_errs_total", "ppmm_host_network_transmit_drop_total"}),
      links_({"ppmm_host_network_speed_bytes", "ppmm_host_network_up"}) {}

void NetdevSource::SampleLinks(Recorder& recorder) {
  for (const NetDevice& device : devices_) {
    const std::string folder = absl::StrCat(root_, "/sys/class/net/", device.name);
    const absl::StatusOr<std::string> state = ReadFile(absl::StrCat(folder, "/operstate"));
    if (!state.ok()) {
      continue;
    }
    const std::vector<SeriesHandle>& series = links_.For(recorder, device.name);
    recorder.Gauge(series[1], absl::StripSuffix(*state, "\n") == "down" ? 0 : 1);
    const absl::StatusOr<std::string> speed = ReadFile(absl::StrCat(folder, "/speed"));  // Mbit/s; -1: unknown
    std::uint64_t megabits = 0;
    if (speed.ok() && ParseUint(absl::StripSuffix(*speed, "\n"), &megabits)) {
      recorder.Gauge(series[0], static_cast<std::int64_t>(megabits) * 125000);
    }
  }
  links_.RemoveUnseen(recorder);
}

absl::Status NetdevSource::Sample(absl::Time now, Recorder& recorder) {
  ASSIGN_OR_RETURN(const absl::string_view text, file_.Read());
  RETURN_IF_ERROR(ParseNetDev(text, &devices_));
  for (const NetDevice& device : devices_) {
    const std::vector<SeriesHandle>& series = series_.For(recorder, device.name);
    for (std::size_t i = 0; i < device.counters.size(); ++i) {
      recorder.Counter(series[i], device.counters[i]);
    }
  }
  series_.RemoveUnseen(recorder);
  if (absl::ToUnixSeconds(now) % 10 == 0) {
    SampleLinks(recorder);
  }
  return absl::OkStatus();
}

}  // namespace ppmm
