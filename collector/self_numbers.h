// What the collector knows of itself, as plain values: main.cc collects them from the parts, /metrics and
// /api/v1/status show them. So the views know none of the parts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ppmm {

// One part of the collector, as `status` lists it.
struct ComponentState {
  std::string component;  // "store", "ingest", "rating" ...
  bool ok = true;
  std::string reason;  // where it is not
  std::string cure;
};

// Counts since the start of the process unless it says otherwise.
struct SelfNumbers {
  using ByReason = std::vector<std::pair<std::string, std::uint64_t>>;

  std::string version;
  std::string data_directory;
  std::optional<std::uint64_t> store_bytes;      // of the database and its log
  std::optional<std::uint64_t> disk_free_bytes;  // for unprivileged users, where the data lie

  struct Ingest {
    std::uint64_t frames = 0;
    std::uint64_t bytes = 0;
    std::uint64_t batches = 0;
    std::uint64_t samples = 0;
    std::uint64_t unknown_series_samples = 0;
    ByReason refused_batches;
    ByReason refused_samples;
    std::int64_t streams = 0;  // now
    std::uint64_t streams_opened = 0;
    std::uint64_t streams_refused = 0;
    std::uint64_t connections_without_stream = 0;
    std::uint64_t connections = 0;  // accepted
    ByReason shed_connections;      // closed at once
    std::uint64_t repeated_batches = 0;
    std::uint64_t refused_deployments = 0;  // beyond the bound of a day, or out of range
    std::uint64_t refused_entries = 0;      // hosts, applications, instances and series beyond the limits of the store
    std::uint64_t queue_bytes = 0;          // now
    std::uint64_t queue_limit_bytes = 0;
  } ingest;

  struct Commits {
    std::uint64_t count = 0;  // that succeeded
    std::uint64_t failed = 0;
    double seconds = 0;  // sum over those that succeeded
    double longest_seconds = 0;
    absl::Time last = absl::InfinitePast();
  } commits;

  struct Time {
    bool waits = false;            // nobody vouches for the clock: sealing, retention, facts, evaluation wait
    std::uint64_t set_back = 0;    // times the store's time was found ahead of the right one
    std::int64_t agents_held = 0;  // now, because their clocks differ
  } time;

  std::uint64_t rating_failures = 0;  // evaluations

  bool config_ok = true;                              // the last load of the configuration
  std::string config_error;                           // of the last load, empty: none
  std::vector<std::string> config_waits_for_restart;  // fields that were read anew and are not in force

  struct Http {
    std::int64_t connections = 0;  // now
    std::uint64_t requests = 0;
    std::uint64_t refused_connections = 0;
    std::uint64_t client_errors = 0;
    std::uint64_t server_errors = 0;
    std::uint64_t sent_bytes = 0;
  } http;

  struct Process {
    absl::Time started = absl::InfinitePast();
    double cpu_seconds = 0;
    std::uint64_t resident_memory_bytes = 0;
    std::uint64_t open_fds = 0;
    std::uint64_t max_fds = 0;
  } process;

  std::vector<ComponentState> components;
};

// Reads the numbers of this process.
//
// Shape:  what cannot be read stays 0; `started` is InfinitePast then.
// Source: /proc/self/stat, /proc/stat (btime), /proc/self/fd, getrlimit(2).
SelfNumbers::Process ReadProcessNumbers();

// Size of the files whose names begin with `prefix` ("/var/lib/ppmm/collector/ppmm.db"), and free space beside them.
// Shape: nothing where they cannot be read.
std::optional<std::uint64_t> ReadFileSizes(const std::string& prefix);
std::optional<std::uint64_t> ReadDiskFree(const std::string& directory);

}  // namespace ppmm
