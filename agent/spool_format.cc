#include "agent/spool_format.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "common/crc32c.h"

namespace ppmm {
namespace {

constexpr absl::string_view kMarker = "PPM1";
constexpr std::size_t kCheckedFrom = 8;               // the header's checksum covers what follows it
constexpr std::uint64_t kSearchBytes = 64 * 1024;     // read at once when searching a marker
constexpr std::uint64_t kMaxListed = 1024 * 1024;     // entries of a list in a state record; more is damage
constexpr std::uint64_t kMaxStateFile = 8ULL << 20U;  // the file is begun anew far below this

void Put32(std::string* out, std::uint32_t value) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    out->push_back(static_cast<char>(value >> shift));
  }
}

void Put64(std::string* out, std::uint64_t value) {
  Put32(out, static_cast<std::uint32_t>(value));
  Put32(out, static_cast<std::uint32_t>(value >> 32U));
}

// Takes little-endian integers from the front; past the end it gives zeros and remembers that.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : rest_(bytes) {}

  std::uint32_t U32() { return static_cast<std::uint32_t>(Take(4)); }
  std::uint64_t U64() { return Take(8); }
  // The number of entries in a list.
  std::uint64_t Count() {
    const std::uint64_t count = U64();
    failed_ |= count > kMaxListed;
    return failed_ ? 0 : count;
  }
  bool failed() const { return failed_; }

 private:
  std::uint64_t Take(std::size_t bytes) {
    if (rest_.size() < bytes) {
      failed_ = true;
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    }
    rest_.remove_prefix(bytes);
    return value;
  }

  absl::string_view rest_;
  bool failed_ = false;
};

std::optional<SpoolStateRecord> DecodeSpoolState(absl::string_view payload) {
  Reader in(payload);
  SpoolStateRecord state;
  for (std::uint64_t* total :
       {&state.totals.produced, &state.totals.acknowledged, &state.totals.refused, &state.totals.dropped_full,
        &state.totals.dropped_write, &state.totals.dropped_damaged, &state.totals.dropped_set_back,
        &state.totals.damaged_bytes, &state.totals.inherited_bytes, &state.first_segment, &state.newest_segment}) {
    *total = in.U64();
  }
  for (std::uint64_t n = in.Count(); n > 0 && !in.failed(); --n) {
    const std::uint64_t epoch = in.U64();
    state.epochs[epoch].acknowledged = in.U64();
  }
  for (std::uint64_t n = in.Count(); n > 0 && !in.failed(); --n) {
    const std::uint64_t epoch = in.U64();
    const std::uint64_t first = in.U64();
    state.epochs[epoch].gone.Add(first, in.U64());
  }
  for (std::uint64_t n = in.Count(); n > 0 && !in.failed(); --n) {
    SpoolStateRecord::Damage& damage = state.damage[in.U64()];
    damage.unframed_bytes = in.U64();
    damage.read_to = in.U64();
  }
  if (in.failed()) {
    return std::nullopt;
  }
  return state;
}

}  // namespace

std::string EncodeSpoolRecord(SpoolHeader header, absl::string_view payload) {
  std::string checked;
  Put32(&checked, Crc32c(payload));
  Put32(&checked, static_cast<std::uint32_t>(payload.size()));
  Put32(&checked, static_cast<std::uint32_t>(header.type));
  Put32(&checked, header.samples);
  Put64(&checked, header.epoch);
  Put64(&checked, header.seq);
  Put64(&checked, static_cast<std::uint64_t>(header.t0));
  Put64(&checked, header.produced);
  Put64(&checked, 0);
  std::string record;
  record.reserve(kSpoolHeaderBytes + payload.size());
  record.append(kMarker.data(), kMarker.size());
  Put32(&record, Crc32c(checked));
  record.append(checked);
  record.append(payload.data(), payload.size());
  return record;
}

std::optional<SpoolHeader> ParseSpoolHeader(absl::string_view bytes) {
  if (bytes.size() < kSpoolHeaderBytes || bytes.substr(0, kMarker.size()) != kMarker) {
    return std::nullopt;
  }
  Reader in(bytes.substr(kMarker.size(), kSpoolHeaderBytes - kMarker.size()));
  if (in.U32() != Crc32c(bytes.substr(kCheckedFrom, kSpoolHeaderBytes - kCheckedFrom))) {
    return std::nullopt;
  }
  SpoolHeader header;
  header.payload_crc = in.U32();
  header.length = in.U32();
  const std::uint32_t type = in.U32();
  header.samples = in.U32();
  header.epoch = in.U64();
  header.seq = in.U64();
  header.t0 = static_cast<std::int64_t>(in.U64());
  header.produced = in.U64();
  if (type < static_cast<std::uint32_t>(SpoolRecordType::kDictionary) ||
      type > static_cast<std::uint32_t>(SpoolRecordType::kState)) {
    return std::nullopt;
  }
  header.type = static_cast<SpoolRecordType>(type);
  return header;
}

std::string SegmentName(std::uint64_t number, std::uint64_t epoch) {
  return absl::StrCat(absl::Hex(number, absl::kZeroPad16), "-", absl::Hex(epoch, absl::kZeroPad16), ".seg");
}

std::optional<SegmentId> ParseSegmentName(absl::string_view name) {
  SegmentId id;
  if (name.size() != 37 || name[16] != '-' || !absl::ConsumeSuffix(&name, ".seg") ||
      !absl::SimpleHexAtoi(name.substr(0, 16), &id.number) || !absl::SimpleHexAtoi(name.substr(17), &id.epoch) ||
      name != absl::StripSuffix(SegmentName(id.number, id.epoch), ".seg")) {
    return std::nullopt;
  }
  return id;
}

bool SeqRanges::Add(std::uint64_t first, std::uint64_t last) {
  auto next = ranges_.upper_bound(first);
  if (next != ranges_.begin() && std::prev(next)->second + 1 >= first) {  // touches the one before
    --next;
    if (next->second >= last) {
      return false;
    }
    first = next->first;
  } else if (last < first) {
    return false;
  }
  while (next != ranges_.end() && next->first <= last + 1) {
    last = std::max(last, next->second);
    next = ranges_.erase(next);
  }
  ranges_.emplace_hint(next, first, last);
  return true;
}

bool SeqRanges::Contains(std::uint64_t seq) const {
  const auto after = ranges_.upper_bound(seq);
  return after != ranges_.begin() && std::prev(after)->second >= seq;
}

void SeqRanges::EraseUpTo(std::uint64_t seq) {
  while (!ranges_.empty() && ranges_.begin()->first <= seq) {
    const std::uint64_t last = ranges_.begin()->second;
    ranges_.erase(ranges_.begin());
    if (last > seq) {
      ranges_.emplace(seq + 1, last);
    }
  }
}

std::string EncodeSpoolState(const SpoolStateRecord& state) {
  std::string payload;
  for (const std::uint64_t total :
       {state.totals.produced, state.totals.acknowledged, state.totals.refused, state.totals.dropped_full,
        state.totals.dropped_write, state.totals.dropped_damaged, state.totals.dropped_set_back,
        state.totals.damaged_bytes, state.totals.inherited_bytes, state.first_segment, state.newest_segment}) {
    Put64(&payload, total);
  }
  std::uint64_t ranges = 0;
  Put64(&payload, state.epochs.size());
  for (const auto& [epoch, entry] : state.epochs) {
    Put64(&payload, epoch);
    Put64(&payload, entry.acknowledged);
    ranges += entry.gone.ranges().size();
  }
  Put64(&payload, ranges);
  for (const auto& [epoch, entry] : state.epochs) {
    for (const auto& [first, last] : entry.gone.ranges()) {
      Put64(&payload, epoch);
      Put64(&payload, first);
      Put64(&payload, last);
    }
  }
  Put64(&payload, state.damage.size());
  for (const auto& [segment, damage] : state.damage) {
    Put64(&payload, segment);
    Put64(&payload, damage.unframed_bytes);
    Put64(&payload, damage.read_to);
  }
  return EncodeSpoolRecord({.type = SpoolRecordType::kState, .t0 = state.newest_t0}, payload);
}

std::optional<SpoolStateRecord> ReadSpoolState(const SpoolFile& file) {
  std::optional<SpoolStateRecord> last;
  const absl::StatusOr<std::uint64_t> size = file.Size();
  SpoolScanner scanner(file, size.ok() ? std::min(*size, kMaxStateFile) : 0, /*epoch=*/0);
  while (const std::optional<SpoolScanner::Record> record = scanner.Next()) {
    const std::optional<std::string> payload = ReadSpoolPayload(file, *record);
    if (record->header.type != SpoolRecordType::kState || !payload.has_value()) {
      continue;
    }
    if (std::optional<SpoolStateRecord> state = DecodeSpoolState(*payload)) {
      state->newest_t0 = record->header.t0;
      last = std::move(state);
    }
  }
  return last;
}

std::optional<SpoolScanner::Record> SpoolScanner::Next() {
  while (offset_ + kSpoolHeaderBytes <= size_) {
    const absl::StatusOr<std::string> bytes = file_.Read(offset_, kSpoolHeaderBytes);
    const std::optional<SpoolHeader> header = bytes.ok() ? ParseSpoolHeader(*bytes) : std::nullopt;
    if (header.has_value() && header->epoch == epoch_) {
      const Record record{*header, offset_};
      if (record.end() <= size_) {
        offset_ = record.end();
        return record;
      }
    }
    const std::uint64_t next = FindMarker(offset_ + 1);
    unframed_bytes_ += next - offset_;
    offset_ = next;
  }
  if (offset_ < size_) {
    unframed_bytes_ += size_ - offset_;
    offset_ = size_;
  }
  return std::nullopt;
}

// The first marker at or after `from`, else the end. Bytes that cannot be read hold none.
std::uint64_t SpoolScanner::FindMarker(std::uint64_t from) const {
  while (from + kMarker.size() <= size_) {
    const std::uint64_t length = std::min(kSearchBytes, size_ - from);
    const absl::StatusOr<std::string> bytes = file_.Read(from, length);
    if (bytes.ok()) {
      const std::size_t found = bytes->find(kMarker.data(), 0, kMarker.size());
      if (found != std::string::npos) {
        return from + found;
      }
    }
    if (length < kSearchBytes) {
      break;
    }
    from += length - (kMarker.size() - 1);  // a marker may lie across two reads
  }
  return size_;
}

std::optional<std::string> ReadSpoolPayload(const SpoolFile& file, const SpoolScanner::Record& record) {
  absl::StatusOr<std::string> payload = file.Read(record.offset + kSpoolHeaderBytes, record.header.length);
  if (!payload.ok() || payload->size() != record.header.length || Crc32c(*payload) != record.header.payload_crc) {
    return std::nullopt;
  }
  return *std::move(payload);
}

}  // namespace ppmm
