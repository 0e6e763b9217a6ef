#include "collector/facts/bits.h"

#include <algorithm>
#include <cstdlib>

#include "common/varint.h"

namespace ppmm {
namespace {

constexpr char kBitsVersion = 2;  // version 1 ends before the clocks
constexpr std::uint64_t kTenthUs = 100'000;

// A set is the lengths of its runs, the first of zeros; the last run is left out. An empty set is one byte.
void AppendSet(const MinuteSet& set, std::string* out) {
  std::string runs;
  std::uint64_t count = 0;
  bool value = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (set[i] != value) {
      AppendVarint(i - begin, &runs);
      ++count;
      begin = i;
      value = !value;
    }
  }
  AppendVarint(count, out);
  out->append(runs);
}

bool ReadSet(ByteReader& reader, MinuteSet* set) {
  std::uint64_t count = 0;
  if (!reader.ReadVarint(&count) || count > set->size()) {
    return false;
  }
  std::size_t at = 0;
  bool value = false;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t length = 0;
    if (!reader.ReadVarint(&length) || length >= set->size() - at) {
      return false;
    }
    for (const std::size_t end = at + static_cast<std::size_t>(length); at < end; ++at) {
      set->set(at, value);
    }
    value = !value;
  }
  for (; value && at < set->size(); ++at) {
    set->set(at);
  }
  return true;
}

std::uint64_t Flags(const std::array<bool, 5>& flags) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    bits |= flags[i] ? std::uint64_t{1} << i : 0;
  }
  return bits;
}

bool ReadFlags(ByteReader& reader, std::array<bool, 5>* flags) {
  std::uint64_t bits = 0;
  if (!reader.ReadVarint(&bits)) {
    return false;
  }
  for (std::size_t i = 0; i < flags->size(); ++i) {
    (*flags)[i] = ((bits >> i) & 1) != 0;
  }
  return true;
}

// Every set of a DayBits but those of instances, in the order of the format.
template <class Bits, class Visit>
bool EachSet(Bits& bits, const Visit& visit) {
  bool ok = visit(bits.sampled) && visit(bits.booting) && visit(bits.twice) && visit(bits.covered_when_closed);
  for (std::size_t kind = 1; kind < bits.covered.size(); ++kind) {
    ok = ok && visit(bits.covered[kind]) && visit(bits.moved[kind]);
  }
  return ok;
}

template <class Bits, class Visit>
bool EachInstanceSet(Bits& bits, const Visit& visit) {
  return visit(bits.sampled) && visit(bits.throughput) && visit(bits.counted) && visit(bits.traffic);
}

// Runs of equal values: their number, then of each its length and value.
void AppendClock(const std::array<std::uint16_t, kMinutesPerDay>& clock, std::string* out) {
  std::string runs;
  std::uint64_t count = 0;
  for (std::size_t begin = 0; begin < clock.size();) {
    std::size_t end = begin;
    while (end < clock.size() && clock[end] == clock[begin]) {
      ++end;
    }
    AppendVarint(end - begin, &runs);
    AppendVarint(clock[begin], &runs);
    ++count;
    begin = end;
  }
  AppendVarint(count, out);
  out->append(runs);
}

bool ReadClock(ByteReader& reader, std::array<std::uint16_t, kMinutesPerDay>* clock) {
  std::uint64_t count = 0;
  if (!reader.ReadVarint(&count)) {
    return false;
  }
  std::size_t at = 0;
  for (; count > 0; --count) {
    std::uint64_t length = 0;
    std::uint64_t value = 0;
    if (!reader.ReadVarint(&length) || !reader.ReadVarint(&value) || length > clock->size() - at || value > 0xffff) {
      return false;
    }
    std::fill_n(clock->begin() + static_cast<std::ptrdiff_t>(at), length, static_cast<std::uint16_t>(value));
    at += static_cast<std::size_t>(length);
  }
  return at == clock->size();
}

}  // namespace

MinuteSet DayBits::Covered() const {
  MinuteSet all;
  bool any = false;
  for (std::size_t kind = 1; kind < covered.size(); ++kind) {
    if (present[kind]) {
      all = any ? all & covered[kind] : covered[kind];
      any = true;
    }
  }
  return all;
}

std::string DayBits::Encode() const {
  std::string out{kBitsVersion};
  const auto append = [&out](const MinuteSet& set) {
    AppendSet(set, &out);
    return true;
  };
  EachSet(*this, append);
  AppendVarint(Flags(present), &out);
  AppendVarint(Flags(saturation), &out);
  AppendVarint(instances.size(), &out);
  for (const auto& [entity, bits] : instances) {
    AppendVarint(entity, &out);
    EachInstanceSet(bits, append);
  }
  AppendClock(clock, &out);
  return out;
}

absl::StatusOr<DayBits> DayBits::Decode(absl::string_view bytes) {
  const absl::Status damaged = absl::DataLossError("day bits: damaged");
  if (bytes.empty() || bytes[0] < 1 || bytes[0] > kBitsVersion) {
    return damaged;
  }
  ByteReader reader(bytes.substr(1));
  const auto read = [&reader](MinuteSet& set) { return ReadSet(reader, &set); };
  DayBits result;
  std::uint64_t count = 0;
  if (!EachSet(result, read) || !ReadFlags(reader, &result.present) || !ReadFlags(reader, &result.saturation) ||
      !reader.ReadVarint(&count)) {
    return damaged;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t entity = 0;
    if (!reader.ReadVarint(&entity) || entity > ~EntityId{0} ||
        !EachInstanceSet(result.instances[static_cast<EntityId>(entity)], read)) {
      return damaged;
    }
  }
  if (bytes[0] > 1 && !ReadClock(reader, &result.clock)) {
    return damaged;
  }
  return reader.left() == 0 ? absl::StatusOr<DayBits>(std::move(result)) : damaged;
}

void SetBits(DayBits& bits, std::int64_t minute, const MinuteRow& row,
             absl::FunctionRef<SeriesMeaning(SeriesId)> meaning) {
  const auto at = static_cast<std::size_t>(minute % kMinutesPerDay);
  const auto clear = [at](MinuteSet& set) {
    set.reset(at);
    return true;
  };
  EachSet(bits, [&](MinuteSet& set) { return &set == &bits.covered_when_closed || clear(set); });
  for (auto& [entity, instance] : bits.instances) {
    EachInstanceSet(instance, clear);
  }
  bits.sampled.set(at, !row.series.empty() || !row.sketches.empty());
  bits.booting.set(at, (row.flags & MinuteRow::kBooting) != 0);
  if (row.clock_offset_us.has_value()) {
    const auto off_us = static_cast<std::uint64_t>(std::abs(*row.clock_offset_us));
    bits.clock[at] =
        static_cast<std::uint16_t>(1 + std::min<std::uint64_t>((off_us + kTenthUs - 1) / kTenthUs, 0xfffe));
  } else {
    bits.clock[at] = 0;
  }
  const bool twice = (row.flags & MinuteRow::kTwice) != 0;
  bits.twice.set(at, twice);

  std::array<std::uint64_t, 5> samples{};
  for (const SeriesRollup& series : row.series) {
    const SeriesMeaning means = meaning(series.series);
    if (means.metric == nullptr) {
      continue;
    }
    const Metric& metric = *means.metric;
    const auto kind = static_cast<std::size_t>(metric.resource);
    const bool counter = metric.kind == MetricKind::kCounter;
    if (metric.scope == MetricScope::kHost) {
      if (metric.role == MetricRole::kUtilization) {
        samples[kind] += series.rollup.count;
        if (!counter || series.rollup.max > 0) {
          bits.moved[kind].set(at);
        }
      }
      bits.saturation[kind] = bits.saturation[kind] || metric.role == MetricRole::kSaturation;
      continue;
    }
    InstanceBits& instance = bits.instances[means.entity];
    instance.sampled.set(at);
    if (metric.role == MetricRole::kThroughput) {
      instance.throughput.set(at);
      // Sockets count connections and bytes; whatever else is throughput counts requests or runs.
      if (metric.resource != Resource::kNetwork) {
        instance.counted.set(at);
      } else if (series.rollup.max > 0) {
        instance.traffic.set(at);
      }
    }
  }
  for (const SeriesSketch& series : row.sketches) {
    const SeriesMeaning means = meaning(series.series);
    if (means.metric != nullptr && means.metric->scope == MetricScope::kInstance) {
      bits.instances[means.entity].sampled.set(at);
    }
  }
  for (std::size_t kind = 1; kind < samples.size(); ++kind) {
    bits.present[kind] = bits.present[kind] || row.expected[kind] > 0;
    bits.covered[kind].set(at, row.expected[kind] > 0 && samples[kind] * 2 >= row.expected[kind] && !twice);
  }
}

}  // namespace ppmm
