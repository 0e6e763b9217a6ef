// What an ELF file says about its own making: build id, package note, Go module. A pure function over a descriptor.
//
// The file may be anything a user of the host wrote, so every offset and size in it is checked against the file and
// against a bound before it is used; a file that lies yields less, never more. Reads at most about 200 KiB.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace ppmm {

struct BuildInfo {
  std::string build_id;  // NT_GNU_BUILD_ID, lower-case hex; empty: none

  // .note.package, written by a distribution's or vendor's build (systemd's "package metadata for executable files").
  std::string note_type;  // "deb", "rpm", ...
  std::string note_name;
  std::string note_version;

  std::string go_version;         // "go1.21.4"
  std::string go_path;            // the main package, "example.org/shop/cmd/shop"
  std::string go_module;          // "example.org/shop"
  std::string go_module_version;  // "v1.4.0"; "(devel)" when built from a checkout
};

// Source: System V ABI (ELF); https://systemd.io/ELF_PACKAGE_METADATA; Go's debug/buildinfo (the format since Go 1.18).
// Errors: InvalidArgument when the descriptor holds no ELF file. Damaged parts inside one are left out.
absl::StatusOr<BuildInfo> ReadBuildInfo(int fd);

}  // namespace ppmm
