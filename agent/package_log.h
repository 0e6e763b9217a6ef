// Follows the package manager's log: what was installed or upgraded, and when. dpkg's only (/var/log/dpkg.log).
//
// What was read stays known over restarts of the agent, in the file `package_log` of the data directory:
//
//   device SPACE inode SPACE offset
//
// so that what was installed while the agent was stopped is told too, from the log and the one rotated before it. The
// place kept is some minutes behind what was read: what a crash of the agent took is read again, and the collector
// knows a deployment by its time. Without a file the log is followed from its end on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "agent/identify/host_root.h"
#include "agent/spool_file.h"
#include "common/mutex.h"

namespace ppmm {

struct PackageEvent {
  std::string package;  // without architecture
  std::string version;
  std::string previous_version;  // empty: it was not installed
  absl::Time at;

  friend bool operator==(const PackageEvent&, const PackageEvent&) = default;
};

// One line of dpkg.log. Its time is local, in whole seconds; of the two that a line may mean when clocks are set back
// the later one that is not after `now`.
//
// Shape:  false: another kind of line, or one that dpkg does not write: nothing of it is taken.
// Source: dpkg(1), option --log; deb-version(7), deb-control(5) for the characters of names and versions.
bool ParseDpkgLogLine(absl::string_view line, absl::TimeZone zone, absl::Time now, PackageEvent* event);

// Thread-safe.
class PackageLog {
 public:
  // Bytes of the log that are read at a time; the rest follows the next time.
  static constexpr std::size_t kMaxRead = 256 << 10;
  // A line beyond this is none of dpkg's.
  static constexpr std::size_t kMaxLine = 4096;
  // What was read so long ago was told, or nothing runs it, and is in the spool: its place may be kept.
  static constexpr absl::Duration kKeepAfter = absl::Minutes(15);
  // Older events are not told: the collector takes no older samples either.
  static constexpr absl::Duration kOldest = absl::Hours(72);

  // Follows from here on. `root`: of the host, "/" or "" for its own. `directory` outlives this; nullptr: places are
  // not kept.
  PackageLog(std::string root, SpoolDirectory* directory);

  // What was appended since the last call, in order. Costs a stat when nothing was.
  std::vector<PackageEvent> Read(absl::Time now);
  // Keeps the place up to which everything is told. To be called now and then.
  void Keep(absl::Time now);

 private:
  // A place in a file that the log is or was.
  struct Place {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t offset = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct Passed {
    Place place;
    absl::Time at;
  };

  // Whether there is a place.
  bool Load() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::TimeZone Zone(const HostRoot& root) const;
  // From place_ in that file on, as far as kMaxRead goes; true: up to its end.
  bool ReadFrom(const HostRoot& root, absl::string_view path, absl::Time now, std::vector<PackageEvent>* events)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string root_;
  SpoolDirectory* const directory_;
  Mutex mutex_;
  Place place_ ABSL_GUARDED_BY(mutex_);                 // up to which it is read
  Place kept_ ABSL_GUARDED_BY(mutex_);                  // in the file
  std::vector<Passed> passed_ ABSL_GUARDED_BY(mutex_);  // places reached, in order, not kept yet
};

}  // namespace ppmm
