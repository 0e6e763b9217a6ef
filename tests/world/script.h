// What an organization is and what happens to it, as plain values: its hosts, their applications, and when something
// befalls them. Minutes count from the begin of the world, days from 0, all UTC.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "proto/telemetry.pb.h"

namespace ppmm {

// 2026-01-01 00:00:00 UTC.
inline constexpr std::int64_t kWorldBegin = 1767225600;
inline constexpr int kForever = 1 << 30;

constexpr int At(int day, int hour = 0, int minute = 0) {
  return (day * 24 + hour) * 60 + minute;
}

// Minutes, `to` not included.
struct Span {
  int from = 0;
  int to = kForever;
  bool Holds(int minute) const { return from <= minute && minute < to; }
};
using Spans = std::vector<Span>;

// The same minutes of each of the days [first, last].
inline Spans Daily(int first, int last, int from_minute, int to_minute) {
  Spans spans;
  for (int day = first; day <= last; ++day) {
    spans.push_back({At(day) + from_minute, At(day) + to_minute});
  }
  return spans;
}

// The same minutes of each hour.
inline Spans Hourly(int days, int from_minute, int to_minute) {
  Spans spans;
  for (int hour = 0; hour < 24 * days; ++hour) {
    spans.push_back({At(0, hour, from_minute), At(0, hour, to_minute)});
  }
  return spans;
}

// A new version: "2.0", "3.0" and so on, in order.
struct ReleaseScript {
  int minute = 0;            // in which the agent sees it
  int installed = kForever;  // when the package manager logged it
};

struct ApplicationScript {
  std::string name = {};
  std::string slot = {};
  // Other hosts connect to it, at its TCP port; that is what makes it line-of-business.
  bool serves = true;
  // Its neighbour, the application before it on this host, connects to it instead, over loopback.
  bool serves_neighbour = false;
  // Its counters of connections and bytes never move.
  bool still = false;
  wire::Origin origin = wire::ORIGIN_IN_HOUSE;
  Span runs = {};
  // The agent sees its sockets: connections and bytes are counted.
  bool sockets_seen = true;
  // Minutes in which somebody uses it; empty: always.
  Spans used = {};
  // Requests that are answered and timed in each step of a minute in which it is used.
  int requests = 0;
  // What a timer sees of the time that they are in flight, as a share of what their times say; below 0: no timer looks.
  int seen_percent = 100;
  int misseen_percent = 100;  // the same in the minutes `misseen`
  Spans misseen = {};
  Spans untimed = {};     // minutes in which they are answered, but have no times
  bool constant = false;  // each takes 5 ms, to the nanosecond
  std::vector<ReleaseScript> releases = {};
  int appears = 0;   // its agent knows nothing of it before, and says so when it connects next
  int unparsed = 0;  // connections that turn out to be multiplexed in each step: no request on them is timed
};

// The machine is off; the next boot proves it.
struct OffScript {
  Span span = {};
  // When its last sign of life was, as the next boot says. Where it is not the begin of the span, the proof is wrong.
  int last_life = -1;
};

// A source whose samples of a metric are missing for a while, though they are expected.
struct LossScript {
  std::string metric = {};
  Span span = {};
};

struct HostScript {
  std::string name = {};
  std::string address = {};
  Span lives = {};          // from when on it has an agent, and until when; nobody says goodbye
  std::string clones = {};  // the host whose machine id and host name it has
  Spans silent = {};        // the agent does not run, the host does
  Spans cut = {};           // no network: the agent keeps its samples and sends them afterwards
  std::vector<OffScript> off = {};
  Spans suspended = {};                  // one boot: the agent tells it when the host is back
  absl::Duration clock = {};             // the host's clock less the true one
  std::vector<std::string> absent = {};  // metrics that this host does not have
  std::vector<std::string> still = {};   // counters that never move
  std::vector<LossScript> losses = {};
  std::int64_t disk_bytes_a_day = 0;       // what its file system of 100 GB fills by; half full at the begin
  int disk_doubles = kForever;             // somebody makes it twice as large
  std::vector<std::string> talks_to = {};  // organization addresses it connects to, from day 1 on
  std::string untimed = {};                // why its agent takes no response times; empty: it does
  std::vector<ApplicationScript> applications = {};
};

using OrganizationScript = std::vector<HostScript>;

}  // namespace ppmm
