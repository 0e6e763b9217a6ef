// What an interpreter runs: the script, module, jar or class behind a command line.
//
// The names of interpreters are the only names of programs that this folder knows (besides package managers); what
// they run is told by their command line, the working directory and the files below the root. Command lines come from
// outside and may be rewritten by the program itself: an answer of "nothing found" is normal. Reads files only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "agent/identify/host_root.h"

namespace ppmm {

enum class Language {
  kPython,
  kJava,
  kNode,
  kPhp,
  kPhpFpm,
  kRuby,
  kPerl,
  kShell,
  kDotnet,
  kLua,
  kBeam,
  kMono,
  kTcl,
  kR,
  kGuile,
  kJulia
};

enum class CodeKind {
  kNone,     // the command line names no code: interactive, or rewritten
  kInline,   // the code is an argument (-c, -e) or comes by standard input or another descriptor (`text` is "-")
  kScript,   // a file
  kModule,   // a module by name; `path` when it was found
  kJar,      // java -jar
  kClass,    // a main class by name; `path` is the jar or class file that holds it
  kProject,  // the working directory (or the named one) as a whole
};

struct Code {
  CodeKind kind = CodeKind::kNone;
  std::string path;              // absolute, links followed, below the root; empty: not found or none
  std::string text;              // the word of the command line: "app.py", "shop.web", "com.example.Main"
  size_t arguments_at = 0;       // index in argv of the program's own first argument
  std::string module_directory;  // where modules are looked up first: the working directory, or the script's
};

// The interpreter a program file is, by its base name without version: "python3.11", "java", "php8.2" ...
// `argv0` matters only for a multi-call binary.
std::optional<Language> InterpreterOf(absl::string_view executable, absl::string_view argv0);

// Shape:  `argv` as in /proc/PID/cmdline; `cwd` absolute; `executable` as the process names it (argv[0] is used to
//         find a virtual environment).
Code FindCode(Language language, absl::Span<const std::string> argv, absl::string_view cwd, const HostRoot& root);

// Own code that a program of others was told to run: a module ("shop.wsgi:application"), or a file with the ending of
// a language, among the arguments from `from` on, found below `directory` or as an absolute path outside /usr and
// /etc. kind kNone: there is none. What several workers of one server share, so flags never count.
Code FindHostedCode(absl::Span<const std::string> argv, size_t from, absl::string_view directory, const HostRoot& root);

// Whether a zip archive holds an entry of that name, by its central directory.
bool ZipContains(const HostRoot& root, absl::string_view archive, absl::string_view entry);

}  // namespace ppmm
