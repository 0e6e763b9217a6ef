#include "agent/identify/project.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include <nlohmann/json.hpp>

namespace ppmm {
namespace {

constexpr size_t kMaxManifest = size_t{256} * 1024;
constexpr size_t kMaxDistributions = 1'000;
constexpr int kMaxClimb = 6;

bool IsSystemDirectory(absl::string_view directory) {
  constexpr absl::string_view kSystem[] = {"/",
                                           "/bin",
                                           "/boot",
                                           "/dev",
                                           "/etc",
                                           "/home",
                                           "/lib",
                                           "/lib64",
                                           "/media",
                                           "/mnt",
                                           "/opt",
                                           "/proc",
                                           "/root",
                                           "/run",
                                           "/sbin",
                                           "/srv",
                                           "/sys",
                                           "/tmp",
                                           "/usr",
                                           "/usr/bin",
                                           "/usr/sbin",
                                           "/usr/lib",
                                           "/usr/local",
                                           "/usr/local/bin",
                                           "/usr/local/sbin",
                                           "/usr/local/lib",
                                           "/usr/share",
                                           "/usr/libexec",
                                           "/var",
                                           "/var/lib",
                                           "/var/tmp",
                                           "/var/www",
                                           "/var/run",
                                           "/var/opt"};
  return std::find(std::begin(kSystem), std::end(kSystem), directory) != std::end(kSystem) ||
         (absl::StartsWith(directory, "/home/") && Dirname(directory) == "/home");
}

// What a manifest says, without blanks and ASCII's control characters.
std::string CleanText(absl::string_view text) {
  std::string out(text);
  out.erase(std::remove_if(out.begin(), out.end(), [](char c) { return (c >= 0 && c <= ' ') || c == 0x7F; }),
            out.end());
  return out;
}

// The name of a file, without blanks; what else cannot be printed is escaped where names are sent, so that none is
// taken for another.
std::string CleanName(absl::string_view name) {
  std::string out(name);
  out.erase(std::remove(out.begin(), out.end(), ' '), out.end());
  return out;
}

// "@acme/shop", "acme/shop" -> "shop".
std::string WithoutScope(absl::string_view name) {
  return CleanText(Basename(name));
}

std::string JsonText(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get_ref<const std::string&>() : std::string();
}

nlohmann::json ReadManifest(const HostRoot& root, absl::string_view path) {
  const auto text = root.Read(path, kMaxManifest);
  return text.ok() ? nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false)
                   : nlohmann::json(nlohmann::json::value_t::discarded);
}

// The value of `key = "value"` in the tables [project] and [tool.*] of a TOML file; enough for a name.
std::string TomlText(absl::string_view text, absl::string_view key) {
  bool inside = false;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (absl::StartsWith(line, "[")) {
      inside = line == "[project]" || (absl::StartsWith(line, "[tool.") && absl::StrContains(line, "poetry]"));
      continue;
    }
    if (!inside || !absl::ConsumePrefix(&line, key)) {
      continue;
    }
    line = absl::StripAsciiWhitespace(line);
    if (!absl::ConsumePrefix(&line, "=")) {
      continue;
    }
    line = absl::StripAsciiWhitespace(line);
    if (line.size() >= 2 && (line[0] == '"' || line[0] == '\'')) {
      return std::string(line.substr(1, line.find(line[0], 1) - 1));
    }
  }
  return "";
}

// The first directory upwards whose name says something; empty when there is none.
std::string TellingDirectory(absl::string_view directory) {
  for (int i = 0; i < kMaxClimb && absl::StartsWith(directory, "/") && !IsSystemDirectory(directory);
       ++i, directory = Dirname(directory)) {
    const std::string name = SplitNameAndVersion(Basename(directory)).name;
    if (!IsGenericName(name)) {
      return CleanName(name);
    }
  }
  return "";
}

std::optional<Project> ProjectAt(const HostRoot& root, const std::string& directory) {
  Project project;
  project.directory = directory;
  const auto named = [&](absl::string_view manifest, std::string name, std::string version) {
    name = WithoutScope(name);
    project.version = CleanText(version);
    if (!IsGenericName(name)) {
      project.name = std::move(name);
      project.evidence = absl::StrCat(manifest, " in ", directory, " gives the name");
    } else {
      project.name = TellingDirectory(directory);
      project.evidence = absl::StrCat("directory ", directory, " with a ", manifest);
    }
    return project.name.empty() ? std::nullopt : std::optional(project);
  };
  for (const absl::string_view manifest : {"package.json", "composer.json"}) {
    const std::string path = absl::StrCat(directory, "/", manifest);
    if (root.IsFile(path)) {
      const nlohmann::json json = ReadManifest(root, path);
      return json.is_object() ? named(manifest, JsonText(json, "name"), JsonText(json, "version"))
                              : named(manifest, "", "");
    }
  }
  if (const auto text = root.Read(absl::StrCat(directory, "/pyproject.toml"), kMaxManifest); text.ok()) {
    return named("pyproject.toml", TomlText(*text, "name"), TomlText(*text, "version"));
  }
  for (const absl::string_view mark : {"setup.py", "setup.cfg", "requirements.txt", "Pipfile", "manage.py", "Gemfile",
                                       "config.ru", "mix.exs", "rebar.config", "pom.xml", "build.gradle", ".git"}) {
    if (root.Stat(absl::StrCat(directory, "/", mark)).ok()) {
      return named(mark, "", "");
    }
  }
  return std::nullopt;
}

std::optional<InstalledModule> PipModule(const HostRoot& root, absl::string_view path, absl::string_view sha256) {
  std::vector<std::pair<std::string, std::string>> places;  // directory of the distributions, relative name in RECORD
  for (const absl::string_view kind : {"/site-packages/", "/dist-packages/"}) {
    if (const size_t at = path.find(kind); at != absl::string_view::npos) {
      places.emplace_back(path.substr(0, at + kind.size() - 1), path.substr(at + kind.size()));
    }
  }
  if (places.empty() && Basename(Dirname(path)) == "bin") {
    const std::string lib = absl::StrCat(Dirname(Dirname(path)), "/lib");
    for (const std::string& name : root.List(lib, 256)) {
      if (absl::StartsWith(name, "python3")) {
        for (const absl::string_view kind : {"/site-packages", "/dist-packages"}) {
          places.emplace_back(absl::StrCat(lib, "/", name, kind), absl::StrCat("../../../bin/", Basename(path)));
        }
      }
    }
  }
  for (const auto& [directory, relative] : places) {
    for (const std::string& name : root.List(directory, 4 * kMaxDistributions)) {
      if (!absl::EndsWith(name, ".dist-info")) {
        continue;
      }
      const std::string info = absl::StrCat(directory, "/", name);
      const std::string begin = absl::StrCat(relative, ",");
      const std::string line =
          root.FindLine(absl::StrCat(info, "/RECORD"), begin,
                        [&begin](absl::string_view candidate) { return absl::StartsWith(candidate, begin); });
      if (line.empty()) {
        continue;
      }
      InstalledModule module;
      module.manager = "pip";
      root.ForEachLine(absl::StrCat(info, "/METADATA"), [&module](absl::string_view field) {
        if (absl::ConsumePrefix(&field, "Name: ")) {
          module.name = CleanText(field);
        } else if (absl::ConsumePrefix(&field, "Version: ")) {
          module.version = CleanText(field);
        }
        return !field.empty() && (module.name.empty() || module.version.empty());
      });
      if (module.name.empty()) {
        module.name = CleanText(name.substr(0, name.find('-')));
      }
      absl::string_view digest = absl::string_view(line).substr(begin.size());
      digest = digest.substr(0, digest.find(','));
      std::string bytes;
      if (absl::ConsumePrefix(&digest, "sha256=") && absl::WebSafeBase64Unescape(digest, &bytes) && !sha256.empty()) {
        module.verified = absl::BytesToHexString(bytes) == sha256;
        module.modified = !module.verified;
      }
      module.built_here = root.IsFile(absl::StrCat(info, "/direct_url.json"));
      module.evidence = absl::StrCat("pip installed it with ", module.name, " ", module.version,
                                     module.verified   ? ", and its digest is the recorded one"
                                     : module.modified ? ", and its digest is no longer the recorded one"
                                                       : "");
      if (module.built_here) {
        absl::StrAppend(&module.evidence, "; from a directory or checkout, not from an index");
      }
      return module;
    }
  }
  return std::nullopt;
}

std::optional<InstalledModule> NpmModule(const HostRoot& root, absl::string_view path) {
  constexpr absl::string_view kModules = "/node_modules/";
  const size_t at = path.rfind(kModules);
  if (at == absl::string_view::npos) {
    return std::nullopt;
  }
  const absl::string_view below = path.substr(at + kModules.size());
  size_t end = below.find('/');
  if (absl::StartsWith(below, "@") && end != absl::string_view::npos) {
    end = below.find('/', end + 1);
  }
  const std::string directory(path.substr(0, at + kModules.size() + std::min(end, below.size())));
  const nlohmann::json manifest = ReadManifest(root, absl::StrCat(directory, "/package.json"));
  if (!manifest.is_object()) {
    return std::nullopt;
  }
  InstalledModule module;
  module.manager = "npm";
  module.name = CleanText(JsonText(manifest, "name"));
  module.version = CleanText(JsonText(manifest, "version"));
  module.evidence = absl::StrCat("it lies in ", directory, ", where npm installs what it fetched");
  return module.name.empty() ? std::nullopt : std::optional(module);
}

std::optional<InstalledModule> GemModule(const HostRoot& root, absl::string_view path) {
  constexpr absl::string_view kGems = "/gems/";
  for (size_t at = path.find(kGems); at != absl::string_view::npos; at = path.find(kGems, at + 1)) {
    const absl::string_view below = path.substr(at + kGems.size());
    const absl::string_view full = below.substr(0, below.find('/'));
    if (!full.empty() && root.IsFile(absl::StrCat(path.substr(0, at), "/specifications/", full, ".gemspec"))) {
      const NameAndVersion split = SplitNameAndVersion(full);
      return InstalledModule{
          split.name, split.version, "gem", false, false, false, absl::StrCat("gem installed it as ", full)};
    }
  }
  return std::nullopt;
}

std::optional<InstalledModule> ComposerModule(const HostRoot& root, absl::string_view path) {
  constexpr absl::string_view kVendor = "/vendor/";
  const size_t at = path.rfind(kVendor);
  if (at == absl::string_view::npos ||
      !root.IsFile(absl::StrCat(path.substr(0, at + kVendor.size()), "composer/installed.json"))) {
    return std::nullopt;
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(path.substr(at + kVendor.size()), '/');
  if (parts.size() < 3) {
    return std::nullopt;
  }
  return InstalledModule{CleanName(parts[1]),
                         "",
                         "composer",
                         false,
                         false,
                         false,
                         absl::StrCat("composer installed it as ", parts[0], "/", parts[1])};
}

std::optional<InstalledModule> SnapModule(const HostRoot&, absl::string_view path) {
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/', absl::SkipEmpty());
  if (parts.size() < 4 || parts[0] != "snap") {
    return std::nullopt;
  }
  // Revisions of the store are numbers; what was installed from a local file is x1, x2 ...
  const bool local = parts[2][0] == 'x';
  return InstalledModule{CleanName(parts[1]),
                         CleanName(parts[2]),
                         "snap",
                         false,
                         false,
                         local,
                         absl::StrCat("snap ", parts[1], ", revision ", parts[2],
                                      local ? ", installed from a local file" : " of the store")};
}

}  // namespace

bool IsGenericName(absl::string_view name) {
  constexpr absl::string_view kGeneric[] = {
      "app",      "application", "main",      "index",   "server",  "run",     "start",   "manage",   "wsgi",
      "asgi",     "boot",        "bootstrap", "www",     "web",     "site",    "public",  "html",     "htdocs",
      "current",  "release",     "releases",  "src",     "source",  "bin",     "sbin",    "lib",      "libexec",
      "dist",     "build",       "out",       "target",  "code",    "live",    "deploy",  "venv",     "env",
      "__main__", "__init__",    "program",   "service", "default", "project", "backend", "frontend", "classes",
      "ebin",     "scripts",     "script",    "jar",     "package"};
  if (name.size() < 2 ||
      std::find(std::begin(kGeneric), std::end(kGeneric), absl::AsciiStrToLower(name)) != std::end(kGeneric)) {
    return true;
  }
  const absl::string_view digits = name[0] == 'v' ? name.substr(1) : name;
  return std::all_of(digits.begin(), digits.end(), [](char c) {
    return c == '.' || c == '-' || c == '_' || absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

NameAndVersion SplitNameAndVersion(absl::string_view text) {
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    const absl::string_view rest = text.substr(i + 1);
    const size_t first = rest[0] == 'v' ? 1 : 0;
    if ((text[i] == '-' || text[i] == '_') && first < rest.size() &&
        absl::ascii_isdigit(static_cast<unsigned char>(rest[first])) &&
        (absl::StrContains(rest, '.') || std::all_of(rest.begin() + static_cast<int>(first), rest.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c));
         }))) {
      return {std::string(text.substr(0, i)), std::string(rest)};
    }
  }
  return {std::string(text), ""};
}

std::optional<Project> FindProject(const HostRoot& root, absl::string_view directory) {
  for (int i = 0; i < kMaxClimb && absl::StartsWith(directory, "/") && !IsSystemDirectory(directory);
       ++i, directory = Dirname(directory)) {
    if (auto project = ProjectAt(root, std::string(directory))) {
      return project;
    }
  }
  return std::nullopt;
}

Project NameForFile(const HostRoot& root, absl::string_view path) {
  absl::string_view base = Basename(path);
  // An ending is letters; what follows the last dot of "shop-1.4" is none.
  if (const size_t dot = base.rfind('.'); dot != absl::string_view::npos && dot > 0 && dot + 1 < base.size() &&
                                          base.size() - dot <= 6 &&
                                          absl::ascii_isalpha(static_cast<unsigned char>(base[dot + 1]))) {
    base = base.substr(0, dot);
  }
  const NameAndVersion split = SplitNameAndVersion(base);
  Project out;
  out.directory = std::string(Dirname(path));
  out.version = split.version;
  const std::optional<Project> project = FindProject(root, Dirname(path));
  if (!IsGenericName(split.name)) {
    out.name = CleanName(split.name);
    out.evidence = absl::StrCat("file ", path);
    if (out.version.empty() && project) {
      out.version = project->version;
    }
    return out;
  }
  if (project) {
    return *project;
  }
  out.name = TellingDirectory(Dirname(path));
  out.evidence = absl::StrCat("directory of ", path);
  if (out.name.empty()) {
    out.name = CleanName(split.name);
    out.evidence = absl::StrCat("file ", path);
  }
  return out;
}

Project NameForModule(const HostRoot& root, absl::string_view module, absl::string_view directory) {
  std::vector<absl::string_view> parts = absl::StrSplit(module, '.', absl::SkipEmpty());
  while (!parts.empty() && IsGenericName(parts.back())) {
    parts.pop_back();
  }
  Project out;
  out.directory = std::string(directory);
  const std::optional<Project> project = FindProject(root, directory);
  if (project) {
    out.version = project->version;
  }
  for (const absl::string_view part : parts) {
    absl::StrAppend(&out.name, out.name.empty() ? "" : ".", CleanName(part));
  }
  out.evidence = absl::StrCat("module ", module, " in ", directory);
  if (!out.name.empty()) {
    return out;
  }
  if (project) {
    return *project;
  }
  out.name = TellingDirectory(directory);
  if (out.name.empty()) {
    out.name = CleanName(module);
  }
  return out;
}

std::optional<InstalledModule> FindInstalledModule(const HostRoot& root, absl::string_view path,
                                                   absl::string_view sha256) {
  if (auto module = PipModule(root, path, sha256)) {
    return module;
  }
  for (const auto& find : {NpmModule, GemModule, ComposerModule, SnapModule}) {
    if (auto module = find(root, path)) {
      return module;
    }
  }
  return std::nullopt;
}

}  // namespace ppmm
