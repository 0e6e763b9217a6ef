// The inventory brain: given facts about one process, says which application it is, and who built what runs.
//
// Names follow design.md section 7; the rules, in the reader's words, stand in docs/inventory.md. Reads files below
// the host's root and below the process's own; runs nothing, asks nothing over a network. The only program names it
// knows are those of interpreters and package managers, so it is right about programs nobody had heard of.
//
// Owns bounded caches: the expensive parts (digests, searches in package lists) are kept per file (device, inode,
// modification time, size), and forgotten when the package database changes. Thread-compatible: one thread at a time.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<Identifier> identifier, Identifier::Create("/"));
//   ASSIGN_OR_RETURN(const ProcessFacts facts, ReadProcessFacts("/proc", pid));
//   const Identity identity = identifier->Identify(facts);
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "agent/identify/process_facts.h"

namespace ppmm {

enum class CodeOrigin { kUnknown, kOffTheShelf, kInHouse };

// What first applied in the order of design.md section 7.
enum class NameSource { kContainer, kUnit, kInterpreter, kPackage, kExecutable };

// One observation. Shape: kind is package, repository, checksum, image, build_info, path, interpreter or none; the text
// has at most 200 bytes, escaped.
struct OriginEvidence {
  std::string kind;
  std::string text;
};

// Names are fit to be sent and shown, and of two different ones never one: docs/inventory.md, "How names are written".
struct Identity {
  std::string name;  // the application, without group; 1 to 128 bytes
  std::string slot;  // template instance or container name; empty: none
  NameSource name_source = NameSource::kExecutable;
  std::string name_evidence;  // in words

  std::string product;      // source package or module, without trailing version; empty: none known
  std::string version;      // empty: none known
  std::string package;      // of the host, that owns what runs, or else its unit; empty: none
  std::string code_digest;  // build id, or SHA-256 of the script or jar; hex; empty: not readable

  CodeOrigin origin = CodeOrigin::kUnknown;  // the agent's guess; the collector decides
  double confidence = 0;                     // 0 to 1
  std::vector<OriginEvidence> evidence;      // strongest first, never empty

  std::string executable;  // as the process names it
  std::string unit;        // systemd unit or container id; empty: none

  // What runs, apart from its version: the file that was judged (script, jar, module, executable); of code that is in
  // no file, its interpreter, and where it runs or how it was told.
  std::string code;
  bool code_in_file = true;
  bool replaced = false;  // the file was replaced since the process started: this is not what it runs
};

// "container", "unit" ...; "unknown", "off-the-shelf", "in-house".
absl::string_view NameSourceText(NameSource source);
absl::string_view OriginText(CodeOrigin origin);

class Identifier {
 public:
  // Errors: those of HostRoot::Open.
  static absl::StatusOr<std::unique_ptr<Identifier>> Create(absl::string_view root);
  ~Identifier();

  // Never fails: what cannot be read is unknown, and the evidence says what could not be read.
  Identity Identify(const ProcessFacts& facts);

  // To be called about once a minute: gives back memory that only a time of many new programs needs.
  void Rest();

 private:
  class Impl;
  explicit Identifier(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppmm
