// The rows of the store as plain values, one struct a table. Columns have the names of the members. Times are
// microseconds since 1970 unless the name says otherwise, 0: unknown or not yet. A minute is a number since 1970.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ppmm {

using HostKey = std::uint32_t;        // 1 to 2^24 - 1
using EntityId = std::uint32_t;       // from 1
using SeriesId = std::uint32_t;       // from 1
using ApplicationId = std::uint32_t;  // from 1

struct HostRow {
  HostKey key = 0;
  std::string host_id;  // 16 bytes
  std::string label;    // unique for ever
  std::string name;     // as the agent says
  std::string group;
  std::int64_t first_seen_us = 0;
  std::int64_t open_minute = 0;  // 0: none
  std::int64_t newest_step = 0;  // seconds
  bool duplicate = false;        // two agents deliver for one host_id
  std::string boot_id;
  std::int64_t boot_us = 0;
  std::string agent_version;
  std::string attributes;  // wire.Host, serialized
};

// A name by which a host is known besides its host_id (SPIFFE ID).
struct HostAliasRow {
  std::string alias;
  HostKey host = 0;
};

struct AgentRow {
  std::string agent_id;  // 16 bytes
  HostKey host = 0;
  std::string version;
  std::uint64_t current_epoch = 0;
  std::string past_epochs;  // 8 bytes each, little endian, the newest 64 that were current
  std::int64_t first_seen_us = 0;
  std::int64_t last_hello_us = 0;
  bool duplicate = false;  // another agent delivers for its host_id: its data stand under duplicate_host_id
  // Samples: the conservation law, over all epochs (collector/sample_counts.h).
  std::uint64_t produced = 0;
  std::uint64_t committed = 0;
  std::uint64_t dropped = 0;
  std::uint64_t refused = 0;
  std::uint64_t late = 0;
  std::int64_t told_dropped = -1;  // by its newest SpoolState; -1: none yet
  std::int64_t told_refused = -1;
  std::int64_t losses_unseen = 0;  // losses told less losses seen as gaps between batches
  std::int64_t counted_day = 0;    // of the newest AgentDayRow
};

// The counters of an agent as they were when the first of a day came from it. What a day brought is the difference to
// the agent's next row, or to the agent itself.
struct AgentDayRow {
  std::string agent_id;  // 16 bytes
  std::int64_t day = 0;  // since 1970, of receipt
  HostKey host = 0;
  std::uint64_t produced = 0;
  std::uint64_t committed = 0;
  std::uint64_t dropped = 0;
  std::uint64_t refused = 0;
};

// What a day brought of one host's samples.
struct SampleDayRow {
  HostKey host = 0;
  std::int64_t produced = 0;
  std::int64_t committed = 0;
  std::int64_t dropped = 0;
  std::int64_t refused = 0;
};

// Minutes, both ends included, in which the service manager's watchdog heard the collector.
struct WatchdogRow {
  std::int64_t from_minute = 0;
  std::int64_t to_minute = 0;
};

struct CursorRow {
  std::uint64_t epoch = 0;
  std::string agent_id;
  std::uint64_t number = 0;
  std::int64_t newest_step = 0;  // seconds
  std::uint64_t produced = 0;    // samples since the epoch began
  bool moved = false;            // by a Hello, and no batch since
};

enum class EntityKind : std::uint8_t { kHost = 1, kInstance = 2, kDevice = 3, kRemote = 4 };

struct EntityRow {
  EntityId id = 0;
  HostKey host = 0;
  EntityKind kind = EntityKind::kHost;
  // Unique within host and kind: ""; application key, "\x1f", slot; "disk/sda"; "10.0.0.1:5432".
  std::string key;
  std::int64_t first_seen_us = 0;
  std::int64_t started_us = 0;
  std::string attributes;  // wire.Entity, serialized, its id 0
};

struct SeriesRow {
  SeriesId id = 0;
  EntityId entity = 0;
  std::string metric;
  std::string labels;  // values, each ended by "\x1f"
};

struct ApplicationRow {
  ApplicationId id = 0;
  std::string key;  // group "/" name that was found
  std::string group;
  std::string name;  // with the group before it where its label were another application's
  std::int64_t first_seen_us = 0;
};

struct ApplicationAliasRow {
  ApplicationId application = 0;
  std::string display_name;
  std::int64_t valid_from_us = 0;
};

struct InstanceRow {
  EntityId entity = 0;
  ApplicationId application = 0;
  HostKey host = 0;
  std::string slot;
  std::string product;
  std::string version;
  std::string code_digest;
};

// When an instance ran, by the agent's word. `to_minute` 0: runs still. Both ends belong to it.
struct InstanceLifeRow {
  EntityId entity = 0;
  std::int64_t from_minute = 0;
  std::int64_t to_minute = 0;
};

struct ReleaseRow {
  EntityId entity = 0;
  std::int64_t at_us = 0;
  ApplicationId application = 0;
  std::string version;
  std::string code_digest;
  std::string previous_version;
  std::string previous_code_digest;
};

// Somebody or something said that an application was deployed.
struct DeploymentRow {
  ApplicationId application = 0;
  std::int64_t at_us = 0;
  std::string version;
  HostKey host = 0;     // 0: of all its hosts
  std::string package;  // whose installation the package manager logged; empty: `ppmm deployed`
  std::string previous_version;
  std::string told_by;  // who ran `ppmm deployed`
  std::int64_t received_us = 0;
};

// What the comparison of a release with what ran before it found, as it was made: never changed afterwards.
struct ReleaseVerdictRow {
  struct Side {
    std::int64_t requests = 0;
    std::int64_t timed = 0;
    std::int64_t errors = 0;
    std::int64_t cpu_us = 0;
    std::int64_t response_sum = 0;  // nanoseconds
  };
  ApplicationId application = 0;
  std::int64_t at_us = 0;    // of the release
  std::int64_t minutes = 0;  // compared before and after: 60 or 1440
  std::int64_t made_us = 0;
  std::string verdict;  // releases.h
  Side before;
  Side after;
};

struct ListenerRow {
  EntityId entity = 0;
  std::string address;
  std::uint32_t port = 0;
  std::string protocol;
  std::int64_t first_seen_us = 0;
  std::int64_t gone_us = 0;  // 0: in force
};

struct PeerDayRow {
  std::int64_t day = 0;  // since 1970
  HostKey host = 0;
  EntityId entity = 0;         // the instance; 0: unknown
  std::int32_t direction = 0;  // wire.Peer.Direction
  std::string address;         // or the path of a Unix socket
  std::uint32_t port = 0;
  std::uint64_t connections = 0;
  std::uint64_t bytes = 0;
  ApplicationId application = 0;  // of the instance, as read; not written
};

// An interval of an instance's life, for the facts of a day.
struct InstanceDayRow {
  ApplicationId application = 0;
  HostKey host = 0;
  InstanceLifeRow life;
};

// When a host was off, proven.
struct HostLifeRow {
  HostKey host = 0;
  std::int64_t from_us = 0;
  std::int64_t to_us = 0;
  std::string why;
};

struct SourceStateRow {
  HostKey host = 0;
  std::string source;
  std::int32_t state = 0;  // wire.SourceState.State
  std::string reason;
  std::int64_t since_us = 0;
};

struct MinuteRecord {
  std::int64_t minute = 0;
  HostKey host = 0;
  std::string blob;  // collector/minute_row.h
};

struct ApplicationMinuteRow {
  std::int64_t minute = 0;
  ApplicationId application = 0;
  std::int64_t requests = 0;
  std::int64_t errors = 0;
  std::int64_t timed = 0;        // requests with a response time
  std::int64_t independent = 0;  // connections, counted by sockets
  // Request-time of the same requests, those of Unix sockets left out: as a timer saw them in flight, and as their
  // times say. Both 0: not observed. The columns are in_flight_sum and in_flight_count.
  std::int64_t in_flight_us = 0;
  std::int64_t elapsed_us = 0;
  std::int64_t response_sum = 0;  // nanoseconds
  std::int64_t traffic = 0;       // bytes, counted by sockets
  std::int64_t cpu_us = 0;
  std::int64_t unparsed = 0;  // connections whose requests have no times from then on
};

struct TotalRow {
  ApplicationId application = 0;
  std::string blob;
};

struct DayBitsRow {
  std::int64_t day = 0;
  HostKey host = 0;
  std::string blob;  // collector/facts/bits.h
};

struct BlockRow {
  std::int64_t day = 0;
  EntityId entity = 0;
  std::int32_t step_seconds = 0;
  std::int64_t keep_until_day = 0;
  std::string blob;
};

// What a day said of one resource of a host, and the forecast made at its end (collector/forecast/line.h). Shares are
// parts of `capacity`, in millionths.
struct ForecastRow {
  std::int64_t day = 0;
  HostKey host = 0;
  std::int32_t kind = 0;         // ppmm::Resource, 1 to 4
  SeriesId series = 0;           // names the resource; 0: the only one of its kind (CPU, memory)
  std::int64_t from_minute = 0;  // of the day, the first with samples
  // The mean of the busiest hour. Millionths of a core, or of the time of a disk; bytes; bytes a second.
  std::int64_t used = 0;
  std::int64_t capacity = 0;
  std::string refusal;         // why there is no forecast; empty: there is one
  std::int64_t day_count = 0;  // values it was made of
  std::int64_t level_millionths = 0;
  std::int64_t slope_millionths = 0;  // a day
  std::int64_t step_day = 0;          // the level changed with it; 0: it did not
  std::int64_t days = 0;              // until exhaustion; 0: exhausted, 3650: not in sight
  std::int64_t days_low = 0;
  std::int64_t days_high = 0;
  bool operator==(const ForecastRow&) const = default;
};

struct RatingDayRow {
  std::int64_t day = 0;
  std::string published;  // rung
  std::string low;
  std::string high;
  std::string body;  // the result, serialized
};

// An application of tier 1, from that day until the next draw.
struct Tier1Row {
  std::int64_t day = 0;
  ApplicationId application = 0;
  std::string why;
};

// A series that is not in memory (docs/forgetting.md), and what else rides in its host's open minute.
struct DormantSeriesRow {
  SeriesId series = 0;
  std::int64_t last = 0;
  std::int64_t last_step = 0;  // seconds
  std::int64_t total = 0;
  std::string sketch;  // of a histogram with a total
};

// An entity, of its rows: those of an instance have an application.
struct EntityContents {
  EntityRow row;
  InstanceRow instance;
  std::vector<InstanceLifeRow> lives;
  std::vector<ListenerRow> listeners;
};

struct ApplicationContents {
  ApplicationRow row;
  std::string display_name;  // the alias in force, else empty
  std::string totals;        // the blob of its row of `total`, else empty
};

// Everything that a start reads (design: state, "at start"), in order of keys. Nothing of what is dormant.
struct StoreContents {
  std::vector<HostRow> hosts;
  std::vector<HostAliasRow> host_aliases;
  std::vector<AgentRow> agents;
  std::vector<CursorRow> cursors;
  std::vector<EntityRow> entities;
  std::vector<SeriesRow> series;
  std::vector<ApplicationRow> applications;
  std::vector<ApplicationAliasRow> application_aliases;
  std::vector<InstanceRow> instances;
  std::vector<InstanceLifeRow> instance_lives;
  std::vector<ListenerRow> listeners;
  std::vector<HostLifeRow> host_lives;
  std::vector<SourceStateRow> sources;
  std::vector<MinuteRecord> open_minutes;  // of the hosts' open_minute
  std::vector<TotalRow> totals;
  WatchdogRow watchdog;                // the newest
  std::vector<ForecastRow> forecasts;  // of the newest day
  // The largest ids given, dormant ones included; 0: none.
  EntityId last_entity = 0;
  SeriesId last_series = 0;
  ApplicationId last_application = 0;
};

}  // namespace ppmm
