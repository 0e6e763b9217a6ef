#include "agent/host_info.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <utmp.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "agent/procfs.h"
#include "agent/sources/cpu.h"
#include "agent/sources/memory.h"
#include "common/log.h"
#include "common/status.h"

namespace ppmm {
namespace {

constexpr std::size_t kMaxAddresses = 64;

std::string OperatingSystem(absl::string_view root) {
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(root, "/etc/os-release"));
  if (!text.ok()) {
    return "";
  }
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    if (absl::ConsumePrefix(&line, "PRETTY_NAME=")) {
      absl::ConsumePrefix(&line, "\"");
      absl::ConsumeSuffix(&line, "\"");
      return EscapeForDisplay(line);
    }
  }
  return "";
}

std::set<std::string> OwnAddresses() {
  std::set<std::string> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) {
    return addresses;
  }
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_LOOPBACK) != 0) {
      continue;
    }
    char text[INET6_ADDRSTRLEN] = "";
    if (entry->ifa_addr->sa_family == AF_INET) {
      const auto* address = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
      inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      const auto* address = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr);
      if (IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr)) {
        continue;
      }
      inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
    }
    if (text[0] != '\0') {
      addresses.insert(text);
    }
  }
  freeifaddrs(list);
  return addresses;
}

// Default routes of /proc/net/route: fields are hexadecimal in host byte order.
void AddGateways(absl::string_view routes, std::set<std::string>* out) {
  absl::string_view line;
  while (NextLine(&routes, &line)) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, '\t', absl::SkipWhitespace());
    std::uint32_t gateway = 0;
    if (fields.size() < 3 || fields[1] != "00000000" || !absl::SimpleHexAtoi(fields[2], &gateway) || gateway == 0) {
      continue;
    }
    char text[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &gateway, text, sizeof text);
    out->insert(text);
  }
}

void AddResolvers(absl::string_view resolv_conf, std::set<std::string>* out) {
  absl::string_view line;
  while (NextLine(&resolv_conf, &line)) {
    absl::string_view keyword;
    absl::string_view address;
    in6_addr parsed{};
    if (NextField(&line, &keyword) && keyword == "nameserver" && NextField(&line, &address) &&
        (inet_pton(AF_INET, std::string(address).c_str(), &parsed) == 1 ||
         inet_pton(AF_INET6, std::string(address).c_str(), &parsed) == 1)) {
      out->insert(std::string(address));
    }
  }
}

}  // namespace

wire::Host ReadHostInfo(absl::string_view root) {
  wire::Host host;
  utsname names{};
  if (uname(&names) == 0) {
    host.set_kernel(names.release);
  }
  host.set_operating_system(OperatingSystem(root));
  if (const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(root, "/proc/stat")); text.ok()) {
    CpuStat stat;
    if (ParseStat(*text, &stat).ok()) {
      host.set_cpus(static_cast<std::uint32_t>(stat.cpus.size()));
    }
  }
  if (const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(root, "/proc/meminfo")); text.ok()) {
    ParseKeyed("/proc/meminfo", *text, [&](absl::string_view name, std::uint64_t value, absl::string_view) {
      if (name == "MemTotal") {
        host.set_memory_bytes(value * 1024);
      }
    }).IgnoreError();  // the meminfo source reports it
  }
  for (const std::string& address : OwnAddresses()) {
    if (static_cast<std::size_t>(host.addresses_size()) < kMaxAddresses) {
      host.add_addresses(address);
    }
  }
  std::set<std::string> gateways;
  if (const absl::StatusOr<std::string> routes = ReadFile(absl::StrCat(root, "/proc/1/net/route")); routes.ok()) {
    AddGateways(*routes, &gateways);
  }
  if (const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(root, "/etc/resolv.conf")); text.ok()) {
    AddResolvers(*text, &gateways);
  }
  for (const std::string& gateway : gateways) {
    if (static_cast<std::size_t>(host.gateways_size()) < kMaxAddresses) {
      host.add_gateways(gateway);
    }
  }
  return host;
}

std::string ReadMachineId(absl::string_view root) {
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(root, "/etc/machine-id"));
  if (!text.ok()) {
    return "";
  }
  const std::string id(absl::StripAsciiWhitespace(*text));
  return id == "uninitialized" ? "" : id;
}

std::string ReadHostName(absl::string_view root) {
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(root, "/proc/sys/kernel/hostname"));
  if (!text.ok()) {
    return "host";
  }
  const absl::string_view name = absl::StripAsciiWhitespace(*text);
  const std::string shortened = EscapeForDisplay(name.substr(0, name.find('.')), 63);
  return shortened.empty() ? "host" : shortened;
}

absl::StatusOr<BootFacts> ReadBootFacts(absl::string_view root) {
  BootFacts facts;
  ASSIGN_OR_RETURN(const std::string text, ReadFile(absl::StrCat(root, "/proc/sys/kernel/random/boot_id")));
  const std::string digits = absl::StrReplaceAll(absl::StripAsciiWhitespace(text), {{"-", ""}});
  facts.boot_id = absl::HexStringToBytes(digits);
  if (digits.size() != 32 || absl::BytesToHexString(facts.boot_id) != digits) {
    return absl::InvalidArgumentError("/proc/sys/kernel/random/boot_id is not a UUID");
  }
  ASSIGN_OR_RETURN(const std::string stat_text, ReadFile(absl::StrCat(root, "/proc/stat")));
  CpuStat stat;
  RETURN_IF_ERROR(ParseStat(stat_text, &stat));
  facts.boot = absl::FromUnixSeconds(static_cast<std::int64_t>(stat.boot_time_seconds));
  return facts;
}

absl::Time NewestWtmpBefore(absl::string_view wtmp, absl::Time before) {
  absl::Time newest = absl::InfinitePast();
  while (wtmp.size() >= sizeof(utmp)) {
    utmp record{};
    std::memcpy(&record, wtmp.data(), sizeof record);
    wtmp.remove_prefix(sizeof record);
    const absl::Time time = absl::FromUnixSeconds(record.ut_tv.tv_sec);
    if (record.ut_tv.tv_sec > 0 && time < before && time > newest) {
      newest = time;
    }
  }
  return newest;
}

wire::HostLife ReadHostLife(absl::string_view root, const BootFacts& boot, const std::string& note_path) {
  wire::HostLife life;
  life.set_boot_id(boot.boot_id);
  life.set_boot_us(absl::ToUnixMicros(boot.boot));
  absl::Time newest = absl::InfinitePast();
  if (const absl::StatusOr<std::string> wtmp = ReadFile(absl::StrCat(root, "/var/log/wtmp")); wtmp.ok()) {
    newest = NewestWtmpBefore(*wtmp, boot.boot);
    if (newest != absl::InfinitePast()) {
      life.set_previous_boot_evidence("wtmp");
    }
  }
  if (const absl::StatusOr<std::string> note = ReadFile(note_path); note.ok()) {
    // "BOOT_ID SECONDS alive|goodbye"
    const std::vector<absl::string_view> fields = absl::StrSplit(absl::StripAsciiWhitespace(*note), ' ');
    std::int64_t seconds = 0;
    if (fields.size() == 3 && fields[0] != absl::BytesToHexString(boot.boot_id) &&
        absl::SimpleAtoi(fields[1], &seconds)) {
      const absl::Time time = absl::FromUnixSeconds(seconds);
      if (time < boot.boot && time > newest) {
        newest = time;
        life.set_previous_boot_evidence(fields[2] == "goodbye" ? "goodbye" : "spool");
      }
    }
  }
  if (newest != absl::InfinitePast()) {
    life.set_previous_boot_last_life_us(absl::ToUnixMicros(newest));
  }
  return life;
}

absl::Status KeepLifeNote(const std::string& note_path, const std::string& boot_id, absl::Time now, bool goodbye) {
  const std::string text =
      absl::StrCat(absl::BytesToHexString(boot_id), " ", absl::ToUnixSeconds(now), goodbye ? " goodbye\n" : " alive\n");
  const std::string fresh = note_path + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) {
    return ErrnoStatus(errno, fresh);
  }
  const ssize_t written = write(fd, text.data(), text.size());
  close(fd);
  if (written != static_cast<ssize_t>(text.size())) {
    return ErrnoStatus(ENOSPC, fresh);
  }
  return rename(fresh.c_str(), note_path.c_str()) == 0 ? absl::OkStatus() : ErrnoStatus(errno, note_path);
}

}  // namespace ppmm
