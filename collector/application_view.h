// What the API and the page say of an application: committed state, pooled over its instances, as plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "collector/state.h"
#include "collector/store/store.h"
#include "common/sketch.h"

namespace ppmm {

struct ApplicationView {
  ApplicationId id = 0;
  std::string key;
  std::string name;      // what people call it, else the name that was found
  std::string shown_as;  // the declared name, else the label `application`
  std::string group;
  std::string origin = "unknown";  // off_the_shelf | in_house | unknown
  std::optional<double> origin_confidence;
  std::vector<std::string> origin_evidence;
  std::string name_source;    // what names it: container | unit | interpreter | package | executable
  std::string name_evidence;  // in words
  bool plumbing = false;      // sshd, time, monitoring: not what an organization lives on
  std::string product;
  std::string version;
  absl::Time first_seen;
  std::int64_t newest_step = 0;    // seconds since 1970; 0: none
  std::vector<std::string> hosts;  // labels, sorted
  int instances = 0;               // that run and are heard of
  std::vector<std::uint32_t> ports;

  // As rated; nothing before the first evaluation.
  std::optional<int> tier;  // 1 to 3
  std::optional<bool> line_of_business;

  // What people say, shown in place of what was found; nothing of it counts before it is confirmed.
  std::string owner;
  std::string declared_by;  // who says it; empty: nobody says anything
  bool origin_declared = false;
  struct Counted {  // what the rating uses instead
    std::string origin;
    std::optional<int> tier;
    std::optional<bool> line_of_business;
  };
  Counted counted;
  struct Exclusion {  // declared; rated like any other until it is confirmed
    std::string kind;
    std::string reason;
    std::string until;
  };
  std::optional<Exclusion> exclusion;

  // Over the window; nothing where nothing was measured in it.
  std::string throughput_of = "none";  // requests | connections | bytes | none
  std::optional<double> throughput_per_second;
  bool throughput_at_least = false;         // there were, or may have been, requests that nobody can count
  std::optional<double> errors_per_second;  // of protocols whose responses tell; windows up to kStepsWindow
  std::optional<double> cpu_cores;
  std::optional<double> resident_memory_bytes;
  double use_share = 0;  // of the CPU or memory of its hosts, the larger
  bool listed = true;    // shown where nobody asks for all (application_list.h)
  // Of the requests answered in the window; empty where nothing was measured.
  absl::Duration times_window;       // the end of the window, as far as times are kept
  Sketch response_time;              // arrival to the first byte of the response
  Sketch wait_time;                  // arrival to the first read
  Sketch service_time;               // first read to the first byte of the response
  std::string response_time_reason;  // why one of them is empty, if it is
  bool unparsed = false;             // which is that its connections are pipelined or multiplexed
  // Those connections: no request on them can be told from the next, so that none is counted or timed.
  std::int64_t connections_without_times = 0;       // found in times_window
  std::int64_t open_connections_without_times = 0;  // found before or then, and open now: at most so many
};

struct ApplicationViews {
  std::vector<ApplicationView> applications;  // by key
  // The window. Of each host it ends with the newest step of that host, of which `to` is the newest. One of minutes
  // begins with the first in which anything was measured.
  absl::Time from;
  absl::Time to;
  std::optional<absl::Duration> measured;  // minutes with anything measured, by which it divides; of windows of minutes
  std::int64_t commit = 0;
};

using ReaderFactory = std::function<absl::StatusOr<std::unique_ptr<StoreReader>>()>;

// Windows up to this long are answered from the latest steps, rounded up to 10 s; longer ones from whole minutes.
inline constexpr absl::Duration kStepsWindow = absl::Minutes(2);
inline constexpr absl::Duration kLongestWindow = absl::Hours(24);

// Response times are kept for the last minute of steps; a longer window has those of its last minute.
inline constexpr absl::Duration kResponseTimesWindow = absl::Minutes(1);

// The window as it is answered.
//
// Errors: InvalidArgument for one that is not positive or longer than kLongestWindow.
absl::StatusOr<absl::Duration> RoundWindow(absl::Duration window);

// Reads all applications, each under a short lock of its own.
//
// Errors: those of RoundWindow; Unavailable while the state is not ready; those of the store for long windows.
absl::StatusOr<ApplicationViews> ReadApplications(State& state, const ReaderFactory& reader, absl::Duration window,
                                                  absl::Time now);

}  // namespace ppmm
