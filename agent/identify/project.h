// Names for code that has no package: what a project calls itself, what a file is called, what a language's package
// manager installed.
//
// Reads manifests below a root; all of it comes from outside and is bounded. Pure apart from reading.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

#include "agent/identify/host_root.h"

namespace ppmm {

struct Project {
  std::string name;
  std::string version;  // empty: none told
  std::string directory;
  std::string evidence;  // in words: "package.json in /srv/shop says so"
};

// The project `directory` belongs to: the nearest directory upwards that holds a manifest (package.json,
// pyproject.toml, composer.json: their own name) or a mark of one (requirements.txt, Gemfile, .git ...: the name of
// the directory). Directories of the system ("/", "/usr", "/home/USER" ...) are no projects.
std::optional<Project> FindProject(const HostRoot& root, absl::string_view directory);

// A name for the file `path`: its base name without ending and version ("shop-1.4.2.jar" -> "shop"); when that says
// nothing ("app.py", "main.js"), the project's, else the first directory upwards whose name says something.
Project NameForFile(const HostRoot& root, absl::string_view path);

// A name for the module "shop.wsgi" found in `directory`: without parts that say nothing.
Project NameForModule(const HostRoot& root, absl::string_view module, absl::string_view directory);

// What a language's package manager says of an installed file.
struct InstalledModule {
  std::string name;
  std::string version;
  std::string manager;      // "pip", "npm", "gem", "composer", "snap"
  bool verified = false;    // the manager recorded a digest, and the file still has it
  bool modified = false;    // the manager recorded a digest, and the file has another
  bool built_here = false;  // installed from a directory or checkout of the site, not from an index
  std::string evidence;     // in words
};

// Shape:  `path` absolute without links; `sha256` of the file in hex, empty: not checked.
std::optional<InstalledModule> FindInstalledModule(const HostRoot& root, absl::string_view path,
                                                   absl::string_view sha256);

// Whether a word says nothing about what the code does: "app", "main", "current", "20240501", "v2".
bool IsGenericName(absl::string_view name);

// "shop-1.4.2-SNAPSHOT" -> "shop" and "1.4.2-SNAPSHOT".
struct NameAndVersion {
  std::string name;
  std::string version;
};
NameAndVersion SplitNameAndVersion(absl::string_view text);

}  // namespace ppmm
