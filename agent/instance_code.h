// What one application instance runs: its programs, scripts and jars, the one of them that speaks for the instance, and
// when that one changed.
//
// An instance is often more than one program: a script that starts a server, a server and its helpers, two shells in
// one directory. Which of them says what version, product and origin the instance has must not depend on which the
// agent happened to look at last, so it follows from what they are and do (docs/inventory.md has the rule). A release
// is told when the code that speaks changed, never because another one speaks now.
//
// Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "proto/telemetry.pb.h"

namespace ppmm {

class InstanceCode {
 public:
  // Different code of one instance; what comes when all of it still runs does not speak, and makes no release.
  static constexpr std::size_t kMaxParts = 64;
  static constexpr std::size_t kNoPart = static_cast<std::size_t>(-1);
  // Code that ended keeps its place this long: a restart is the same code.
  static constexpr absl::Duration kGone = absl::Seconds(60);

  // What was found out about one process.
  struct Seen {
    wire::Instance record;
    std::string code;           // what it runs, apart from its version
    std::string package;        // that owns it; empty: none
    bool in_file = true;        // false: an interpreter whose code is in no file
    bool replaced = false;      // its file was replaced since it started: it runs what was there before
    std::int64_t start_ns = 0;  // since boot
    absl::Time started;         // the same moment by the wall clock
  };
  struct Release {
    std::string version;  // empty: none known, then the digests differ
    std::string code_digest;
    std::string previous_version;
    std::string previous_code_digest;
  };

  // The part that the process runs; kNoPart when there is no room.
  std::size_t Add(const Seen& seen, absl::Time now);
  // A process of the part runs; it listens on a socket.
  void NoteAlive(std::size_t part, absl::Time now);
  void NoteListening(std::size_t part);

  // Decides anew who speaks. True: `record()` is another than before, or there is a release to tell.
  bool Settle(absl::Time now, std::optional<Release>* release);
  // What the instance is, once Settle() was called with a part. Lives until the next call of Add or Settle.
  const wire::Instance& record() const { return parts_[main_].record; }
  // The package that owns what speaks; empty: none, or Settle() was not called yet.
  absl::string_view package() const { return main_ == kNoPart ? absl::string_view() : parts_[main_].package; }

 private:
  struct Part {
    std::string code;
    std::string package;
    wire::Instance record;
    bool in_file = true;
    bool listens = false;
    std::int64_t start_ns = 0;  // of its oldest process
    absl::Time started;
    absl::Time last_alive = absl::InfinitePast();
    std::optional<Release> change;  // not told yet
    absl::Time changed_at;
  };

  static bool SpeaksBefore(const Part& a, const Part& b);
  static std::optional<Release> Succession(const Part& before, const Part& after);
  std::size_t PlaceFor(absl::string_view code, absl::Time now);
  void Take(const Seen& seen, absl::Time now, Part& part);

  std::vector<Part> parts_;
  std::size_t main_ = kNoPart;
  bool dirty_ = false;
};

}  // namespace ppmm
