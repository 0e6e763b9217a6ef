#include "agent/identify/interpreter.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace ppmm {
namespace {

constexpr size_t kMaxArguments = 512;
constexpr size_t kMaxJars = 256;
constexpr int64_t kMaxZipDirectory = int64_t{8} << 20;  // bytes

// How an interpreter writes its options, for those that follow the habits of getopt.
struct Grammar {
  Language language;
  absl::string_view with_value;     // short options whose value is attached or the next word
  absl::string_view attached_only;  // short options whose value, if any, is the rest of the word
  absl::string_view inline_code;    // short options whose value is the program
  absl::string_view module;         // short options whose value names a module
  absl::string_view file;           // short options whose value is the script
  std::vector<absl::string_view> long_with_value;
  std::vector<absl::string_view> long_inline;
  std::vector<absl::string_view> leading_words;  // subcommands before the script
};

const Grammar& GrammarOf(Language language) {
  static const auto& grammars = *new std::vector<Grammar>{
      {Language::kPython, "WXQ", "", "c", "m", "", {"--check-hash-based-pycs"}, {}, {}},
      {Language::kNode,
       "rC",
       "",
       "ep",
       "",
       "",
       {"--require", "--import", "--loader", "--experimental-loader", "--conditions", "--env-file", "--title",
        "--config", "--import-map"},
       {"--eval", "--print"},
       {"run", "serve", "inspect"}},
      {Language::kPhp, "cdztS", "", "rBRE", "", "fF", {}, {"--run", "--process-code"}, {}},
      {Language::kRuby, "ICEr", "0iKlTWxF", "e", "", "", {"--encoding", "--external-encoding"}, {}, {}},
      {Language::kPerl, "I", "0CDFiklmMtTVxu", "eE", "", "", {}, {}, {}},
      {Language::kShell, "oO", "", "cs", "", "", {"--rcfile", "--init-file"}, {}, {}},
      {Language::kDotnet,
       "",
       "",
       "",
       "",
       "",
       {"--depsfile", "--runtimeconfig", "--additionalprobingpath", "--additional-deps", "--fx-version",
        "--roll-forward"},
       {},
       {"exec"}},
      {Language::kLua, "leOj", "", "", "", "", {}, {}, {}},
      {Language::kMono, "", "OV", "", "", "", {"--config", "--assembly-loader"}, {}, {}},
      {Language::kTcl, "", "", "", "", "", {}, {}, {}},
      {Language::kR, "g", "", "e", "", "f", {}, {}, {}},
      {Language::kGuile, "elLCx", "", "c", "", "s", {}, {}, {}},
      {Language::kJulia,
       "LJtpCHOmg",
       "",
       "eE",
       "",
       "",
       {"--project", "--threads", "--load"},
       {"--eval", "--print"},
       {}},
  };
  for (const Grammar& grammar : grammars) {
    if (grammar.language == language) {
      return grammar;
    }
  }
  return grammars.front();
}

// A descriptor of the process by name: `bash <(...)`, `python3 /dev/stdin`. Below our root it would be one of ours.
bool IsDescriptor(absl::string_view path) {
  if (path == "/dev/stdin" || absl::StartsWith(path, "/dev/fd/")) {
    return true;
  }
  // "self", "thread-self" or a number, of the process or of the one that opened the file.
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/', absl::SkipEmpty());
  return parts.size() >= 4 && parts[0] == "proc" && parts[parts.size() - 2] == "fd";
}

bool Contains(const std::vector<absl::string_view>& words, absl::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// The file `text` means, with the endings the language adds; empty when there is none.
std::string FindScript(Language language, absl::string_view text, absl::string_view cwd, const HostRoot& root) {
  std::vector<std::string> candidates = {JoinPath(cwd, text)};
  if (language == Language::kNode) {
    for (const absl::string_view ending : {".js", ".mjs", ".cjs", "/index.js"}) {
      candidates.push_back(absl::StrCat(candidates[0], ending));
    }
  } else if (language == Language::kPython) {
    candidates.push_back(absl::StrCat(candidates[0], "/__main__.py"));
  }
  for (const std::string& candidate : candidates) {
    if (root.IsFile(candidate)) {
      return root.Resolve(candidate).value_or(candidate);
    }
  }
  // A bare name of a shell or of `-S` is looked up in the path.
  if (!absl::StrContains(text, '/')) {
    for (const absl::string_view directory : {"/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin"}) {
      const std::string path = absl::StrCat(directory, "/", text);
      if (root.IsFile(path)) {
        return root.Resolve(path).value_or(path);
      }
    }
  }
  return "";
}

// Directories where Python looks a module up: the working directory, the virtual environment the interpreter was
// started from, and those of the system.
std::vector<std::string> PythonPath(absl::string_view argv0, absl::string_view cwd, const HostRoot& root) {
  std::vector<std::string> directories = {std::string(cwd)};
  const auto add_versions = [&](absl::string_view lib) {
    for (const std::string& name : root.List(lib, 256)) {
      if (absl::StartsWith(name, "python3")) {
        for (const absl::string_view kind : {"/site-packages", "/dist-packages", ""}) {
          directories.push_back(absl::StrCat(lib, "/", name, kind));
        }
      }
    }
  };
  if (absl::StrContains(argv0, '/')) {
    const std::string start = JoinPath(cwd, argv0);
    if (const absl::string_view prefix = Dirname(Dirname(start)); prefix != "/" && prefix != "/usr") {
      add_versions(absl::StrCat(prefix, "/lib"));
    }
  }
  add_versions("/usr/local/lib");
  add_versions("/usr/lib");
  return directories;
}

// The file of module "a.b" below `directory`: a/b/__main__.py, a/b.py, a/b/__init__.py.
std::string ModuleFile(absl::string_view module, absl::string_view directory, const HostRoot& root) {
  const std::string base = JoinPath(directory, absl::StrReplaceAll(module, {{".", "/"}}));
  for (const absl::string_view ending : {"/__main__.py", ".py", "/__init__.py"}) {
    const std::string path = absl::StrCat(base, ending);
    if (root.IsFile(path)) {
      return root.Resolve(path).value_or(path);
    }
  }
  return "";
}

bool IsModuleName(absl::string_view text) {
  const auto is_start = [](char c) { return c == '_' || absl::ascii_isalpha(static_cast<unsigned char>(c)); };
  bool at_start = true;
  for (const char c : text) {
    if (at_start) {
      if (!is_start(c)) {
        return false;
      }
      at_start = false;
    } else if (c == '.') {
      at_start = true;
    } else if (!is_start(c) && !absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      return false;
    }
  }
  return !text.empty() && !at_start && text.size() <= 200;
}

Code FindGetoptCode(Language language, absl::Span<const std::string> argv, absl::string_view cwd,
                    const HostRoot& root) {
  const Grammar& grammar = GrammarOf(language);
  Code code;
  code.module_directory = std::string(cwd);
  bool inline_seen = false;
  bool serves_directory = false;
  bool leading = true;
  std::string directory(cwd);
  size_t i = 1;
  const auto script = [&](absl::string_view text, size_t arguments_at) {
    if (IsDescriptor(text)) {
      code.kind = CodeKind::kInline;
      code.text = "-";
      code.arguments_at = arguments_at;
      return code;
    }
    code.kind = CodeKind::kScript;
    code.text = std::string(text);
    code.arguments_at = arguments_at;
    code.path = FindScript(language, text, directory, root);
    if (language == Language::kPython && !code.path.empty()) {
      code.module_directory = std::string(Dirname(code.path));
    }
    return code;
  };
  const auto of_kind = [&](CodeKind kind, absl::string_view text, size_t arguments_at) {
    code.kind = kind;
    code.text = std::string(text);
    code.arguments_at = arguments_at;
    return code;
  };
  for (; i < std::min(argv.size(), kMaxArguments); ++i) {
    const absl::string_view word = argv[i];
    if (word.empty()) {
      continue;
    }
    // To a shell "-" ends the options like "--": "#!/bin/sh -" is a habit.
    if (word == "--" || (word == "-" && language == Language::kShell && i + 1 < argv.size())) {
      ++i;
      break;
    }
    if (word == "-") {
      return of_kind(CodeKind::kInline, "-", i + 1);
    }
    if (language == Language::kTcl && word == "-encoding") {
      ++i;
      continue;
    }
    if (absl::StartsWith(word, "--")) {
      const absl::string_view name = word.substr(0, word.find('='));
      if (language == Language::kR && name == "--file" && name.size() < word.size()) {
        return script(word.substr(name.size() + 1), i + 1);
      }
      if (Contains(grammar.long_inline, name)) {
        return of_kind(CodeKind::kInline, name, i + 1);
      }
      if (Contains(grammar.long_with_value, name) && name.size() == word.size()) {
        ++i;
      }
      continue;
    }
    if (language == Language::kShell && word[0] == '+') {
      continue;
    }
    if (word[0] != '-') {
      if (leading && Contains(grammar.leading_words, word)) {
        leading = false;
        continue;
      }
      break;
    }
    for (size_t k = 1; k < word.size(); ++k) {
      const char c = word[k];
      const absl::string_view rest = word.substr(k + 1);
      const auto is = [c](absl::string_view set) { return absl::StrContains(set, c); };
      if (is(grammar.inline_code)) {
        return of_kind(CodeKind::kInline, absl::StrCat("-", word.substr(k, 1)), i + 1);
      }
      if (is(grammar.attached_only)) {
        break;
      }
      if (!is(grammar.module) && !is(grammar.file) && !is(grammar.with_value)) {
        continue;
      }
      const size_t next = rest.empty() ? i + 1 : i;
      const absl::string_view value = rest.empty() ? (next < argv.size() ? absl::string_view(argv[next]) : "") : rest;
      if (is(grammar.module)) {
        of_kind(CodeKind::kModule, value, next + 1);
        if (IsModuleName(value)) {
          for (const std::string& place : PythonPath(argv[0], cwd, root)) {
            code.path = ModuleFile(value, place, root);
            if (!code.path.empty()) {
              break;
            }
          }
        }
        return code;
      }
      if (is(grammar.file)) {
        return script(value, next + 1);
      }
      if (language == Language::kPhp && c == 'S') {
        serves_directory = true;
      }
      if ((language == Language::kPhp && c == 't') || (language == Language::kRuby && c == 'C')) {
        directory = JoinPath(cwd, value);
      }
      inline_seen = inline_seen || (language == Language::kLua && c == 'e');
      i = next;
      break;
    }
  }
  const absl::string_view word = i < argv.size() ? absl::string_view(argv[i]) : "";
  if (word.empty()) {
    if (serves_directory) {
      code.module_directory = directory;
      return of_kind(CodeKind::kProject, directory, i);
    }
    return inline_seen ? of_kind(CodeKind::kInline, "-e", i) : code;
  }
  if (language == Language::kDotnet && !absl::EndsWith(word, ".dll") && !absl::EndsWith(word, ".exe")) {
    return of_kind(CodeKind::kProject, word, i + 1);
  }
  return script(word, i + 1);
}

Code FindJavaCode(absl::Span<const std::string> argv, absl::string_view cwd, const HostRoot& root) {
  constexpr absl::string_view kWithValue[] = {"-p",
                                              "--module-path",
                                              "--upgrade-module-path",
                                              "--add-modules",
                                              "--add-opens",
                                              "--add-exports",
                                              "--add-reads",
                                              "--limit-modules",
                                              "--patch-module",
                                              "--enable-native-access",
                                              "-d",
                                              "--describe-module"};
  Code code;
  code.module_directory = std::string(cwd);
  std::string class_path = ".";
  for (size_t i = 1; i < std::min(argv.size(), kMaxArguments); ++i) {
    const absl::string_view word = argv[i];
    const absl::string_view value = i + 1 < argv.size() ? absl::string_view(argv[i + 1]) : "";
    if (word.empty() || word[0] == '@') {
      continue;
    }
    if (word == "-cp" || word == "-classpath" || word == "--class-path") {
      class_path = std::string(value);
      ++i;
    } else if (absl::StartsWith(word, "--class-path=")) {
      class_path = std::string(word.substr(word.find('=') + 1));
    } else if (word == "-jar" && IsDescriptor(value)) {
      code.kind = CodeKind::kInline;
      code.text = "-jar";
      code.arguments_at = i + 2;
      return code;
    } else if (word == "-jar") {
      code.kind = CodeKind::kJar;
      code.text = std::string(value);
      code.arguments_at = i + 2;
      const std::string path = JoinPath(cwd, value);
      code.path = root.IsFile(path) ? root.Resolve(path).value_or(path) : "";
      return code;
    } else if (word == "-m" || word == "--module") {
      code.kind = CodeKind::kClass;
      code.text = std::string(value.substr(0, value.find('/')));
      code.arguments_at = i + 2;
      return code;
    } else if (std::find(std::begin(kWithValue), std::end(kWithValue), word) != std::end(kWithValue)) {
      ++i;
    } else if (word[0] != '-') {
      code.text = std::string(word);
      code.arguments_at = i + 1;
      if (absl::EndsWith(word, ".java")) {
        code.kind = CodeKind::kScript;
        code.path = FindScript(Language::kJava, word, cwd, root);
        return code;
      }
      code.kind = CodeKind::kClass;
      break;
    }
  }
  if (code.kind != CodeKind::kClass) {
    return code;
  }
  const std::string entry = absl::StrCat(absl::StrReplaceAll(code.text, {{".", "/"}}), ".class");
  size_t jars = 0;
  for (const absl::string_view place : absl::StrSplit(class_path, ':', absl::SkipEmpty())) {
    std::vector<std::string> candidates;
    if (absl::EndsWith(place, "/*") || place == "*") {
      const std::string directory = JoinPath(cwd, place.substr(0, place.size() - 1));
      for (const std::string& name : root.List(directory, kMaxJars)) {
        if (absl::EndsWith(absl::AsciiStrToLower(name), ".jar")) {
          candidates.push_back(absl::StrCat(directory, "/", name));
        }
      }
    } else {
      const std::string path = JoinPath(cwd, place);
      const std::string file = absl::StrCat(path, "/", entry);
      if (root.IsFile(file)) {
        code.path = root.Resolve(file).value_or(file);
        return code;
      }
      candidates.push_back(path);
    }
    for (const std::string& jar : candidates) {
      if (++jars > kMaxJars) {
        return code;
      }
      if (ZipContains(root, jar, entry)) {
        code.path = root.Resolve(jar).value_or(jar);
        return code;
      }
    }
  }
  return code;
}

Code FindBeamCode(absl::Span<const std::string> argv, absl::string_view cwd, const HostRoot& root) {
  Code code;
  code.module_directory = std::string(cwd);
  std::string runtime, boot;
  std::vector<std::string> modules, places;
  for (size_t i = 1; i < std::min(argv.size(), kMaxArguments); ++i) {
    const absl::string_view word = argv[i];
    const absl::string_view value = i + 1 < argv.size() ? absl::string_view(argv[i + 1]) : "";
    if (word == "-extra") {
      break;
    }
    if (word == "-root") {
      runtime = std::string(value);
    } else if (word == "-boot") {
      boot = std::string(value);
    } else if ((word == "-s" || word == "-run") && IsModuleName(value)) {
      modules.emplace_back(value);
    } else if (word == "-pa" || word == "-pz") {
      for (size_t k = i + 1; k < argv.size() && !argv[k].empty() && argv[k][0] != '-'; ++k) {
        places.push_back(JoinPath(cwd, argv[k]));
      }
    }
  }
  for (const std::string& name : root.List(absl::StrCat(runtime, "/lib"), 1024)) {
    for (const std::string& module : modules) {
      if (!runtime.empty() && absl::StartsWith(name, module)) {
        places.push_back(absl::StrCat(runtime, "/lib/", name, "/ebin"));
      }
    }
  }
  for (const std::string& module : modules) {
    code.kind = CodeKind::kModule;
    code.text = module;
    for (const std::string& place : places) {
      const std::string path = absl::StrCat(place, "/", module, ".beam");
      if (root.IsFile(path)) {
        code.path = root.Resolve(path).value_or(path);
        return code;
      }
    }
  }
  // A release boots from its own file, below its own directory.
  if (absl::StartsWith(boot, "/")) {
    const std::string path = absl::StrCat(boot, ".boot");
    if (root.IsFile(path)) {
      code.kind = CodeKind::kScript;
      code.text = boot;
      code.path = root.Resolve(path).value_or(path);
    }
  }
  return code;
}

bool HasCodeEnding(absl::string_view word) {
  constexpr absl::string_view kEndings[] = {".py", ".rb",   ".ru",  ".js",  ".mjs", ".cjs", ".ts",  ".php",
                                            ".pl", ".psgi", ".lua", ".jar", ".war", ".dll", ".wsgi"};
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [word](absl::string_view ending) { return absl::EndsWith(word, ending); });
}

}  // namespace

std::optional<Language> InterpreterOf(absl::string_view executable, absl::string_view argv0) {
  absl::string_view name = Basename(executable);
  if (name == "busybox") {
    name = Basename(argv0);
    absl::ConsumePrefix(&name, "-");
    return name == "sh" || name == "ash" ? std::optional(Language::kShell) : std::nullopt;
  }
  if (absl::StartsWith(name, "perl5")) {
    return Language::kPerl;
  }
  if (name == "beam.smp" || name == "beam") {
    return Language::kBeam;
  }
  absl::ConsumeSuffix(&name, "-dbg");
  while (!name.empty() && (name.back() == '.' || absl::ascii_isdigit(static_cast<unsigned char>(name.back())))) {
    name.remove_suffix(1);
  }
  struct Known {
    absl::string_view name;
    Language language;
  };
  constexpr Known kKnown[] = {
      {"python", Language::kPython},  {"pypy", Language::kPython},
      {"java", Language::kJava},      {"node", Language::kNode},
      {"nodejs", Language::kNode},    {"deno", Language::kNode},
      {"bun", Language::kNode},       {"php", Language::kPhp},
      {"php-cgi", Language::kPhp},    {"php-fpm", Language::kPhpFpm},
      {"ruby", Language::kRuby},      {"perl", Language::kPerl},
      {"bash", Language::kShell},     {"sh", Language::kShell},
      {"dash", Language::kShell},     {"ash", Language::kShell},
      {"zsh", Language::kShell},      {"ksh", Language::kShell},
      {"mksh", Language::kShell},     {"fish", Language::kShell},
      {"dotnet", Language::kDotnet},  {"lua", Language::kLua},
      {"luajit", Language::kLua},     {"mono", Language::kMono},
      {"mono-sgen", Language::kMono}, {"tclsh", Language::kTcl},
      {"wish", Language::kTcl},       {"R", Language::kR},
      {"guile", Language::kGuile},    {"julia", Language::kJulia},
  };
  for (const Known& known : kKnown) {
    if (known.name == name) {
      return known.language;
    }
  }
  return std::nullopt;
}

Code FindCode(Language language, absl::Span<const std::string> argv, absl::string_view cwd, const HostRoot& root) {
  if (argv.empty()) {
    return Code();
  }
  switch (language) {
    case Language::kJava:
      return FindJavaCode(argv, cwd, root);
    case Language::kBeam:
      return FindBeamCode(argv, cwd, root);
    case Language::kPhpFpm:
      return Code();  // its scripts come with each request
    default:
      return FindGetoptCode(language, argv, cwd, root);
  }
}

Code FindHostedCode(absl::Span<const std::string> argv, size_t from, absl::string_view directory,
                    const HostRoot& root) {
  Code code;
  std::string base(directory);
  for (size_t i = from; i + 1 < std::min(argv.size(), kMaxArguments); ++i) {
    if (argv[i] == "--chdir" || argv[i] == "--app-dir" || argv[i] == "--pythonpath" || argv[i] == "--workdir") {
      base = JoinPath(directory, argv[i + 1]);
    }
  }
  code.module_directory = base;
  for (size_t i = from; i < std::min(argv.size(), kMaxArguments); ++i) {
    absl::string_view word = argv[i];
    if (word.empty()) {
      continue;
    }
    if (word[0] == '-') {
      const size_t equals = word.find('=');
      if (equals == absl::string_view::npos) {
        continue;
      }
      if (absl::StartsWith(word, "--chdir=") || absl::StartsWith(word, "--app-dir=")) {
        base = code.module_directory = JoinPath(directory, word.substr(equals + 1));
        continue;
      }
      word.remove_prefix(equals + 1);
    }
    if (HasCodeEnding(word)) {
      const std::string path = root.Resolve(JoinPath(base, word)).value_or("");
      if (!path.empty() && root.IsFile(path) && !absl::StartsWith(path, "/etc/") && !absl::StartsWith(path, "/usr/")) {
        code.kind = CodeKind::kScript;
        code.path = path;
        code.text = std::string(word);
        return code;
      }
    }
    const absl::string_view module = word.substr(0, word.find(':'));
    if (IsModuleName(module) && base != "/") {
      code.path = ModuleFile(module, base, root);
      if (!code.path.empty()) {
        code.kind = CodeKind::kModule;
        code.text = std::string(module);
        return code;
      }
    }
  }
  return code;
}

bool ZipContains(const HostRoot& root, absl::string_view archive, absl::string_view entry) {
  // The end record stands in the last 22 bytes plus at most 64 KiB of comment; sizes of central directories that do
  // not fit its 32-bit fields are beyond our bound anyway.
  constexpr int64_t kEndRecord = 22;
  constexpr int64_t kTail = 4096;
  const auto file = root.OpenRegular(archive);
  const auto st = root.Stat(archive);
  if (!file.ok() || !st.ok() || st->key.size < kEndRecord) {
    return false;
  }
  const auto read_at = [&file](int64_t offset, int64_t size) {
    std::string out(static_cast<size_t>(size), '\0');
    const ssize_t got = pread(file->fd(), out.data(), out.size(), offset);
    out.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return out;
  };
  const int64_t tail_size = std::min(st->key.size, kTail);
  const std::string tail = read_at(st->key.size - tail_size, tail_size);
  const size_t end = tail.rfind(std::string("PK\x05\x06", 4));
  if (end == std::string::npos || tail.size() - end < static_cast<size_t>(kEndRecord)) {
    return false;
  }
  const auto number = [&tail, end](size_t at) {
    int64_t value = 0;
    for (size_t i = 4; i-- > 0;) {
      value = value << 8 | static_cast<unsigned char>(tail[end + at + i]);
    }
    return value;
  };
  const int64_t size = number(12);
  const int64_t offset = number(16);
  if (size > kMaxZipDirectory || offset > st->key.size || size > st->key.size - offset) {
    return false;
  }
  return absl::StrContains(read_at(offset, size), entry);
}

}  // namespace ppmm
