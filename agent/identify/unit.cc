#include "agent/identify/unit.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace ppmm {
namespace {

constexpr size_t kMaxUnitName = 256;  // systemd's own bound

constexpr absl::string_view kSystemDirectories[] = {
    "/etc/systemd/system",           "/run/systemd/system",     "/run/systemd/transient", "/run/systemd/generator",
    "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",    "/run/systemd/generator.late",
};
constexpr absl::string_view kUserDirectories[] = {
    "/etc/systemd/user",
    "/run/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
};

bool IsHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
}

// Container runtimes name their groups "<id>" or "<runtime>-<id>.scope"; ids are 64 hexadecimal digits. Scopes that
// merely help a container ("libpod-conmon-<id>.scope") hold the runtime's own processes.
std::string ContainerIdOf(absl::string_view part) {
  constexpr size_t kIdSize = 64;
  if (absl::StrContains(part, "-conmon-")) {
    return "";
  }
  absl::ConsumeSuffix(&part, ".scope");
  if (part.size() > kIdSize) {
    const absl::string_view prefix = part.substr(0, part.size() - kIdSize);
    if (prefix.back() != '-' && prefix.back() != ':') {
      return "";
    }
    part.remove_prefix(prefix.size());
  }
  return part.size() == kIdSize && IsHex(part) ? absl::AsciiStrToLower(part) : "";
}

// "kubepods-burstable-pod1234_5678.slice", "pod1234-5678" -> the uid, with dashes.
std::string PodIdOf(absl::string_view part) {
  absl::ConsumeSuffix(&part, ".slice");
  const size_t at = part.rfind("pod");
  if (at == absl::string_view::npos || (at != 0 && part[at - 1] != '-')) {
    return "";
  }
  std::string uid(part.substr(at + 3));
  std::replace(uid.begin(), uid.end(), '_', '-');
  const bool plausible = uid.size() >= 32 && uid.size() <= 36 && std::all_of(uid.begin(), uid.end(), [](char c) {
                           return c == '-' || absl::ascii_isxdigit(static_cast<unsigned char>(c));
                         });
  return plausible ? uid : "";
}

// systemd-run: "run-r<32 hex>.service", "run-u<number>.service", "run-p<pid>-i<number>.service".
bool IsRandomName(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "run-") || name.size() < 2) {
    return false;
  }
  const char kind = name[0];
  name.remove_prefix(1);
  return (kind == 'r' && name.size() == 32 && IsHex(name)) ||
         ((kind == 'u' || kind == 'p') && absl::ascii_isdigit(static_cast<unsigned char>(name[0])));
}

void TakeService(absl::string_view part, UnitPlace& place) {
  place.unit = std::string(part);
  absl::ConsumeSuffix(&part, ".service");
  place.transient = IsRandomName(part);
  const size_t at = part.find('@');
  place.is_template = at != absl::string_view::npos;
  place.name = UnescapeUnitName(part.substr(0, at));
  place.instance = place.is_template ? UnescapeUnitName(part.substr(at + 1)) : "";
}

}  // namespace

UnitPlace UnitOfCgroup(absl::string_view path) {
  UnitPlace place;
  for (const absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part.size() > kMaxUnitName) {
      continue;
    }
    if (std::string id = ContainerIdOf(part); !id.empty()) {
      place.container_id = std::move(id);
      continue;
    }
    const bool service = absl::EndsWith(part, ".service");
    if (!service && (absl::StrContains(part, "kubepods") || absl::StartsWith(part, "pod"))) {
      if (std::string pod = PodIdOf(part); !pod.empty()) {
        place.pod_id = std::move(pod);
      }
      continue;
    }
    if (!service || part.size() == absl::string_view(".service").size() || part[0] == '@') {
      continue;
    }
    if (absl::StartsWith(part, "user@")) {
      place = UnitPlace();  // the user's manager: the units below it are what runs
      place.user_manager = true;
      continue;
    }
    TakeService(part, place);
  }
  if (!place.in_unit()) {
    place.user_manager = false;
  }
  return place;
}

std::string ChooseCgroupPath(absl::string_view text) {
  std::string unified, systemd, longest;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> columns = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (columns.size() != 3 || !absl::StartsWith(columns[2], "/")) {
      continue;
    }
    if (columns[1].empty()) {
      unified = std::string(columns[2]);
    } else if (columns[1] == "name=systemd") {
      systemd = std::string(columns[2]);
    } else if (columns[2].size() > longest.size()) {
      longest = std::string(columns[2]);
    }
  }
  for (const std::string& path : {unified, systemd, longest}) {
    if (path.size() > 1) {
      return path;
    }
  }
  return "/";
}

std::string UnescapeUnitName(absl::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '\\' && i + 3 < name.size() && name[i + 1] == 'x' && IsHex(name.substr(i + 2, 2))) {
      const auto digit = [](char c) {
        return absl::ascii_isdigit(static_cast<unsigned char>(c)) ? c - '0' : (c | 0x20) - 'a' + 10;
      };
      const int value = digit(name[i + 2]) * 16 + digit(name[i + 3]);
      if (value >= ' ' && value <= '~') {
        out.push_back(static_cast<char>(value));
        i += 3;
        continue;
      }
    }
    out.push_back(name[i]);
  }
  return out;
}

std::vector<std::string> FindUnitFiles(const HostRoot& root, const UnitPlace& place) {
  std::vector<std::string> found;
  if (!place.in_unit()) {
    return found;
  }
  std::vector<std::string> names = {place.unit};
  if (place.is_template) {
    names.push_back(absl::StrCat(place.unit.substr(0, place.unit.find('@')), "@.service"));
  }
  const auto look_in = [&](absl::Span<const absl::string_view> directories) {
    for (const std::string& name : names) {
      for (const absl::string_view directory : directories) {
        std::string path = absl::StrCat(directory, "/", name);
        if (root.IsFile(path)) {
          found.push_back(std::move(path));
        }
      }
    }
  };
  if (place.user_manager) {
    look_in(kUserDirectories);
    return found;
  }
  look_in(kSystemDirectories);
  if (std::string script = absl::StrCat("/etc/init.d/", place.name); !place.is_template && root.IsFile(script)) {
    found.push_back(std::move(script));
  }
  return found;
}

}  // namespace ppmm
