// The page at "/": one HTML document without script, rendered from a plain struct. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "collector/http/message.h"

namespace ppmm {

// What the page shows. All names may come from outside: they are escaped and cut here, not before. A number that is not
// known is nullopt, and the `..._reason` beside it says why in a few words.
struct PageData {
  // One rung of the ladder: progress toward it. Units: 0..1.
  struct Rung {
    std::string rung;   // "2.1"
    std::string title;  // "Utilization and throughput, around the clock"
    std::optional<double> low;
    std::optional<double> high;
    std::string reason;
  };

  // An activity that stops the organization, with what cures it.
  struct Blocker {
    std::string activity;  // "INV-001"
    std::string role;      // "management", "development", "operations": the groups, in the order given
    std::string what;      // "inventory is not confirmed"
    std::optional<double> minutes_of_work;
    std::string command;    // as typed: "ppmm doctor"; empty: this release has none
    std::string cure = "";  // what to show in its place; may be empty
  };

  struct Activity {
    std::string id;
    std::string title;
    std::string level;  // "2.1"
    std::string stage;  // "requirements", "design", "implementation", "test", "release", "operate", "plan"
    bool gating = true;
    std::string status;  // satisfied, not_satisfied, undecided, no_source, contradicted, not_applicable, exempt
    std::optional<double> achievement;       // 0..1
    std::optional<absl::Time> decidable_at;  // of an undecided one
    std::string reason;
  };

  struct Application {
    std::string name;
    std::string origin;  // off_the_shelf, in_house, unknown
    bool confirmed = false;
    bool declared = false;  // the origin is what people say
    std::string evidence;   // what the origin rests on: "Debian package nginx 1.22.1"
    std::optional<double> throughput_per_second;
    std::string throughput_of = "none";  // requests, connections, bytes, runs
    bool throughput_at_least = false;    // pipelined or multiplexed connections may have been asked more
    std::string throughput_reason;
    std::optional<double> p50_seconds;  // response time, of the window
    std::optional<double> p95_seconds;
    std::optional<double> p99_seconds;
    std::string response_time_reason;
    std::optional<double> cpu_cores;
    std::optional<double> resident_memory_bytes;
    std::string usage_reason;
    std::vector<std::string> hosts;
  };

  struct Host {
    std::string label;
    std::string state;  // "live", "silent", "off", ...; only "live" is drawn as such
    std::optional<double> cpu_used_cores;
    std::optional<double> cpu_cores;
    std::optional<double> memory_used_bytes;
    std::optional<double> memory_bytes;
    std::string usage_reason;
    std::string exhaustion;      // "in 12 d (/var)"; empty: not known
    std::string capture;         // "tracepoints", "/proc only", ...
    std::string capture_reason;  // why not all: "no BTF in this kernel"
    std::optional<absl::Time> last_seen;
  };

  // What people declare of one thing, and what the rating uses until it is confirmed.
  struct Declaration {
    std::string about;    // "checkout", "host 10.0.0.9"
    std::string said;     // "in house, tier 1, rated"
    std::string counted;  // "off the shelf, tier 2, not rated"; empty: the same
  };

  // What is wrong with the collector itself, or open to everybody.
  struct Trouble {
    std::string part;  // "store", "http"
    std::string what;
    std::string cure;  // may be empty
  };

  std::string organization;
  std::string version;  // of the collector
  std::vector<Trouble> troubles;
  absl::Time now;
  absl::TimeZone time_zone = absl::UTCTimeZone();

  std::string published;  // "1", "2.1", ... "5"; empty: none yet
  std::string label;      // "1 (observing, earliest 2.1 on 10 Dec)"
  std::optional<absl::Time> held_since;
  std::string provisional;  // empty: none yet
  std::string provisional_label;
  std::optional<double> provisional_minutes;  // of evidence
  std::string rating_reason;                  // where a level is missing, and why
  bool watch = false;                         // the published level is in danger
  std::string watch_reason;
  std::optional<absl::Time> evaluated_at;

  std::vector<Rung> ladder;  // lowest first
  std::vector<Blocker> blockers;
  int waiting = 0;  // activities that wait for time only
  std::optional<absl::Time> waiting_until;
  std::string after_next;  // what the rung above the next one asks; may be empty

  double window_seconds = 60;  // of the applications' figures
  std::vector<Application> applications;
  size_t applications_total = 0;        // when more than are listed
  bool all_applications = false;        // asked for
  std::string applications_not_listed;  // how many are not shown unless asked for, and why
  std::string applications_reason;
  std::vector<Host> hosts;
  size_t hosts_total = 0;
  std::string hosts_reason;
  std::vector<Activity> activities;
  std::string declared_by;  // the author of all declarations
  std::vector<Declaration> declarations;
};

// At most this many rows a table; the page says how many there are more, and where.
inline constexpr size_t kMaxPageRows = 200;

// Shape: a complete HTML 5 document; a few hundred KiB at most.
std::string RenderPage(const PageData& data);

// RenderPage with the Content-Security-Policy that allows its one style sheet, by hash, and nothing else.
http::Response PageResponse(const PageData& data);

}  // namespace ppmm
