// The minute bits of one host and its instances on one UTC day: the value of a row of `day_bits`. Bits are set from the
// merged row of a minute, each time that row changes, so the order of arrival cannot matter and nothing is ever dirty.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "collector/minute_row.h"
#include "common/metrics.h"

namespace ppmm {

inline constexpr std::int64_t kMinutesPerDay = 1440;
using MinuteSet = std::bitset<kMinutesPerDay>;

// What a minute says of one instance.
struct InstanceBits {
  MinuteSet sampled;     // any sample
  MinuteSet throughput;  // its work is counted: requests, connections or bytes
  MinuteSet counted;     // of these, requests: not only connections or bytes
  MinuteSet traffic;     // connections or bytes, seen by sockets, moved
  bool operator==(const InstanceBits&) const = default;
};

struct DayBits {
  MinuteSet sampled;
  MinuteSet booting;
  MinuteSet twice;
  std::array<MinuteSet, 5> covered;  // by ppmm::Resource; kNone stays empty
  MinuteSet covered_when_closed;     // in all kinds, at the time the minute closed
  std::array<MinuteSet, 5> moved;    // a utilization counter moved, or its gauge is there
  std::array<bool, 5> present{};     // samples of the kind are expected
  std::array<bool, 5> saturation{};  // a saturation series is there
  // By minute: how far the agent's clock was off, in tenths of a second, rounded up, plus 1; 0: not known.
  std::array<std::uint16_t, kMinutesPerDay> clock{};
  std::map<EntityId, InstanceBits> instances;

  bool operator==(const DayBits&) const = default;
  // In every kind that the host has.
  MinuteSet Covered() const;

  // Run lengths as varints.
  std::string Encode() const;
  // Errors: DataLoss.
  static absl::StatusOr<DayBits> Decode(absl::string_view bytes);
};

struct SeriesMeaning {
  const Metric* metric = nullptr;
  EntityId entity = 0;
};

// Sets, or clears, every bit of `minute` (since 1970) from its merged row. Covered: at least half of the expected
// samples of the host's utilization series of a kind, and the minute was not lived twice.
void SetBits(DayBits& bits, std::int64_t minute, const MinuteRow& row,
             absl::FunctionRef<SeriesMeaning(SeriesId)> meaning);

}  // namespace ppmm
