// What a spool finds on disk. Input: flags, then pieces: the state file and up to four segments. With kSealed the
// records of segments get good checksums, with kSealedState those of the state file too, so that what is behind the
// checksums is reached.
#include "agent/spool.h"
#include "agent/spool_format.h"
#include "agent/spool_internal.h"
#include "common/crc32c.h"
#include "tests/fuzz/fuzz.h"
#include "tests/testing/spool_rig.h"

namespace ppmm::fuzz {
namespace {

constexpr std::uint8_t kSealed = 1;
constexpr std::uint8_t kSealedState = 2;
constexpr SpoolOptions kSmall = {.max_bytes = 20'000, .segment_bytes = 600, .memory_bytes = 2'000};

void Store32(std::uint32_t value, std::size_t at, std::string* bytes) {
  for (std::size_t i = 0; i < 4; ++i) {
    (*bytes)[at + i] = static_cast<char>(value >> (8 * i));
  }
}

// Layout: docs/spool_format.md: marker, checksum of the header from byte 8 on, of the payload, length, ...
std::string Sealed(std::string bytes) {
  for (std::size_t at = 0; at + kSpoolHeaderBytes <= bytes.size();) {
    if (bytes.compare(at, 4, "PPM1") != 0) {
      ++at;
      continue;
    }
    std::uint32_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      length |= std::uint32_t{static_cast<unsigned char>(bytes[at + 12 + i])} << (8 * i);
    }
    const absl::string_view payload = absl::string_view(bytes).substr(at + kSpoolHeaderBytes, length);
    Store32(Crc32c(payload), at + 8, &bytes);
    Store32(Crc32c(absl::string_view(bytes).substr(at + 8, kSpoolHeaderBytes - 8)), at + 4, &bytes);
    at += kSpoolHeaderBytes + payload.size();
  }
  return bytes;
}

}  // namespace

void Run(absl::string_view input) {
  Input in(input);
  const std::uint8_t flags = in.Byte();
  SpoolRig rig(kSmall);
  const std::string state(in.Piece());
  if (!state.empty()) {
    rig.disk.Put(kSpoolStateName, (flags & kSealedState) != 0 ? Sealed(state) : state);
  }
  for (std::uint64_t number = 1; number <= 4 && !in.empty(); ++number) {
    const std::string segment(in.Piece());
    rig.disk.Put(SegmentPath(number, number / 3 + 1), (flags & kSealed) != 0 ? Sealed(segment) : segment);
  }
  rig.epoch = 10;
  const auto account = [&rig] {
    const SpoolStats stats = rig.spool->Stats();
    Require(stats.totals.produced == stats.totals.settled() + stats.samples, "each sample produced has one fate");
  };
  for (int start = 0; start < 2; ++start) {
    Spool& spool = rig.Start();
    // A sealed state is one that we would never have written: its totals need not fit what lies beside it.
    if ((flags & kSealedState) == 0) {
      account();
    }
    rig.Append(2);
    for (const SpoolEpoch& epoch : spool.Epochs()) {
      SpoolCursor cursor = spool.Begin(epoch.epoch);
      SpoolRecord record;
      int records = 0;
      while (spool.Next(&cursor, &record)) {
        Require(++records < 10'000, "reading comes to an end");
      }
      spool.Refused(epoch.epoch, epoch.acknowledged + 2);
      spool.Acknowledge(epoch.epoch, epoch.acknowledged + 1);
    }
    rig.Tick();
    if ((flags & kSealedState) == 0) {
      account();
    }
    Require(rig.ReadAll(rig.epoch).find("1 2") != std::string::npos || spool.Stats().totals.dropped_full > 0 ||
                spool.Stats().totals.refused + spool.Stats().totals.acknowledged > 0,
            "what is appended can be read");
  }
}

std::vector<std::string> Seeds() {
  SpoolRig rig(kSmall);
  rig.Start();
  rig.Append(3);
  rig.spool->Acknowledge(1, 1);
  rig.spool->Refused(1, 3);
  rig.Tick();
  rig.Start();
  rig.Append(12);
  rig.Tick();
  std::string all(1, static_cast<char>(kSealed));
  std::string segments;
  int count = 0;
  std::string state;
  for (const auto& [name, bytes] : rig.disk.Files()) {
    if (name == kSpoolStateName) {
      state = bytes;
    } else if (++count <= 4) {
      segments += Piece(bytes);
    }
  }
  return {all + Piece(state) + segments, all + Piece("") + segments, std::string(1, '\0') + Piece(state) + segments,
          std::string(1, static_cast<char>(kSealed | kSealedState)) + Piece(state) + segments};
}

}  // namespace ppmm::fuzz
