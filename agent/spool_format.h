// The bytes of the spool: docs/spool_format.md. No behaviour, no disk but for reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "agent/spool_file.h"

namespace ppmm {

inline constexpr std::size_t kSpoolHeaderBytes = 64;

enum class SpoolRecordType : std::uint32_t {
  kDictionary = 1,
  kBatch = 2,
  kState = 3,
};

struct SpoolHeader {
  SpoolRecordType type = SpoolRecordType::kBatch;
  std::uint32_t length = 0;       // of the payload, bytes
  std::uint32_t payload_crc = 0;  // crc32c
  std::uint32_t samples = 0;
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;       // 0: not a batch
  std::int64_t t0 = 0;         // seconds since 1970
  std::uint64_t produced = 0;  // running total of samples, this record included
};

// Header and payload; fills in length and checksums. Shape: payload below 4 GiB.
std::string EncodeSpoolRecord(SpoolHeader header, absl::string_view payload);

// Empty when `bytes` are no good header: too short, marker, checksum, or a type this version does not know.
std::optional<SpoolHeader> ParseSpoolHeader(absl::string_view bytes);

// "0000000000000007-9f3c000000000001.seg"
std::string SegmentName(std::uint64_t number, std::uint64_t epoch);
struct SegmentId {
  std::uint64_t number = 0;
  std::uint64_t epoch = 0;
};
std::optional<SegmentId> ParseSegmentName(absl::string_view name);

// Batch numbers as ranges: what is refused comes in order, so a few ranges hold any number of them.
// Thread-compatible.
class SeqRanges {
 public:
  // Shape: first <= last. False when all of it is in already.
  bool Add(std::uint64_t first, std::uint64_t last);
  bool Contains(std::uint64_t seq) const;
  void EraseUpTo(std::uint64_t seq);
  // Shape: first -> last, not touching each other.
  const std::map<std::uint64_t, std::uint64_t>& ranges() const { return ranges_; }

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;
};

// What must survive a restart beside the segments. Samples, but for `damaged` and `inherited`: bytes.
struct SpoolTotals {
  std::uint64_t produced = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t refused = 0;
  std::uint64_t dropped_full = 0;
  std::uint64_t dropped_write = 0;
  std::uint64_t dropped_damaged = 0;
  std::uint64_t dropped_set_back = 0;
  std::uint64_t damaged_bytes = 0;
  std::uint64_t inherited_bytes = 0;

  // Samples that will not come again.
  std::uint64_t settled() const {
    return acknowledged + refused + dropped_full + dropped_write + dropped_damaged + dropped_set_back;
  }
};

struct SpoolStateRecord {
  struct Epoch {
    std::uint64_t acknowledged = 0;
    SeqRanges gone;  // above `acknowledged`: refused, or found damaged
  };
  struct Damage {
    std::uint64_t unframed_bytes = 0;  // already counted
    std::uint64_t read_to = 0;         // damaged dictionary records before this offset are already counted
  };
  SpoolTotals totals;
  std::uint64_t first_segment = 0;   // those below were dropped and counted
  std::uint64_t newest_segment = 0;  // when this was written
  std::int64_t newest_t0 = 0;        // seconds since 1970, of the newest batch
  std::map<std::uint64_t, Epoch> epochs;
  std::map<std::uint64_t, Damage> damage;  // by segment number
};

// A whole record of type kState.
std::string EncodeSpoolState(const SpoolStateRecord& state);
// The last good record of a state file; empty when there is none.
std::optional<SpoolStateRecord> ReadSpoolState(const SpoolFile& file);

// Goes through a file from good header to good header. Payloads are not read. Thread-compatible.
class SpoolScanner {
 public:
  struct Record {
    SpoolHeader header;
    std::uint64_t offset = 0;  // of the header

    std::uint64_t bytes() const { return kSpoolHeaderBytes + header.length; }
    std::uint64_t end() const { return offset + bytes(); }
  };

  // Shape: reads bytes `offset` to `size` of `file`; headers of other epochs are no good headers.
  SpoolScanner(const SpoolFile& file, std::uint64_t size, std::uint64_t epoch, std::uint64_t offset = 0)
      : file_(file), size_(size), epoch_(epoch), offset_(offset) {}

  // Empty at the end. What cannot be read counts as damaged.
  std::optional<Record> Next();
  // Bytes passed over so far that belong to no good record.
  std::uint64_t unframed_bytes() const { return unframed_bytes_; }

 private:
  std::uint64_t FindMarker(std::uint64_t from) const;

  const SpoolFile& file_;
  const std::uint64_t size_;
  const std::uint64_t epoch_;
  std::uint64_t offset_;
  std::uint64_t unframed_bytes_ = 0;
};

// The payload, empty when it cannot be read or its checksum differs.
std::optional<std::string> ReadSpoolPayload(const SpoolFile& file, const SpoolScanner::Record& record);

}  // namespace ppmm
