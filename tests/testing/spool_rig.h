// A spool on a faulty disk, its sampler and a collector's cursor, in the words the spool's tests are written in.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "agent/spool.h"
#include "tests/testing/faulty_file.h"

namespace ppmm {

// Thread-compatible. A batch's frame tells its epoch, number and samples, so a test can see that each arrives whole.
class SpoolRig {
 public:
  static constexpr absl::Time kStart = absl::FromUnixSeconds(1700000000);

  explicit SpoolRig(SpoolOptions options = {}) : options_(options) {}

  static std::string Frame(std::uint64_t epoch, std::uint64_t seq, std::size_t padding = 0) {
    return absl::StrCat("batch ", epoch, "/", seq, " ", std::string(padding, '.'));
  }
  static std::string Dictionary(std::uint64_t epoch) { return absl::StrCat("dictionary of ", epoch); }

  // The process starts and begins an epoch.
  Spool& Start() {
    spool = std::make_unique<Spool>(&disk, options_, now);
    NewEpoch();
    return *spool;
  }
  void NewEpoch() {
    ++epoch;
    seq = 0;
    spool->BeginEpoch(epoch, [e = epoch] { return std::vector<std::string>{Dictionary(e)}; });
  }
  // Appends `count` batches of `samples` samples.
  void Append(int count, std::uint32_t samples = 10, std::size_t padding = 0) {
    for (int i = 0; i < count; ++i) {
      now += absl::Seconds(1);
      ++seq;
      produced += samples;
      spool->AppendBatch(seq, samples, now, Frame(epoch, seq, padding));
    }
  }
  void Tick(absl::Duration by = absl::Seconds(10)) {
    now += by;
    spool->Tick(now);
  }
  // Everything a new reader of `of` gets, in words: "D" a dictionary, else the number; "?" if the bytes are not right.
  std::string ReadAll(std::uint64_t of) {
    SpoolCursor cursor = spool->Begin(of);
    return ReadOn(&cursor);
  }
  std::string ReadOn(SpoolCursor* cursor) {
    std::string read;
    SpoolRecord record;
    while (spool->Next(cursor, &record)) {
      const bool whole = record.is_batch ? record.frame.find(Frame(cursor->epoch, record.seq)) == 0
                                         : record.frame == Dictionary(cursor->epoch);
      absl::StrAppend(&read, read.empty() ? "" : " ", !whole ? "?" : record.is_batch ? absl::StrCat(record.seq) : "D");
    }
    return read;
  }

  FaultyDirectory disk;
  std::unique_ptr<Spool> spool;
  absl::Time now = kStart;
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;
  std::uint64_t produced = 0;

 private:
  const SpoolOptions options_;
};

}  // namespace ppmm
