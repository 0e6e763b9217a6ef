#include "common/batch_codec.h"

#include <bit>

#include "absl/strings/str_cat.h"

#include "common/varint.h"

namespace ppmm {
namespace {

// Tokens of the value stream (docs/wire.md): 0 to kShortRuns - 1 are runs of 1 to kShortRuns zeros.
constexpr uint64_t kShortRuns = 15;
constexpr uint64_t kLongRun = kShortRuns;   // a run of kShortRuns + 1 + the number that follows
constexpr uint64_t kWide = kShortRuns + 1;  // 8 bytes follow
constexpr uint64_t kFirstValue = kWide;     // + value, which is never 0

// Memory and file systems come in multiples of this, which takes 10 bits off their gauges.
constexpr int64_t kUnit = 1024;

uint64_t AllSteps(uint32_t steps) {
  return (uint64_t{1} << steps) - 1;
}

// Writes values, gathering zeros into runs.
class ValueWriter {
 public:
  explicit ValueWriter(std::string* out) : out_(out) {}

  void Put(uint64_t value) {
    if (value == 0) {
      ++zeros_;
      return;
    }
    EndRun();
    AppendVarint(kFirstValue + value, out_);
  }

  // A gauge's difference to the value before. The lowest bit tells whether it counts units of 1,024.
  void PutDifference(int64_t difference) {
    const uint64_t zig_zag = ZigZag(difference);
    if (difference % kUnit == 0) {
      Put(difference == 0 ? 0 : ZigZag(difference / kUnit) << 1 | 1);
    } else if (zig_zag >> 62 == 0) {
      Put(zig_zag << 1);
    } else {
      PutWide(static_cast<uint64_t>(difference));
    }
  }

  void PutSketch(const Sketch& sketch) {
    if (sketch.empty()) {
      ++zeros_;
      return;
    }
    scratch_.clear();
    sketch.AppendTo(&scratch_);
    Put(scratch_.size());
    out_->append(scratch_);
  }

  void EndRun() {
    if (zeros_ > kShortRuns) {
      AppendVarint(kLongRun, out_);
      AppendVarint(zeros_ - kShortRuns - 1, out_);
    } else if (zeros_ > 0) {
      AppendVarint(zeros_ - 1, out_);
    }
    zeros_ = 0;
  }

 private:
  void PutWide(uint64_t bits) {
    EndRun();
    AppendVarint(kWide, out_);
    for (int shift = 0; shift < 64; shift += 8) {
      out_->push_back(static_cast<char>(bits >> shift));
    }
  }

  std::string* out_;
  std::string scratch_;
  uint64_t zeros_ = 0;
};

// Reads what ValueWriter wrote.
class ValueReader {
 public:
  explicit ValueReader(ByteReader bytes) : bytes_(bytes) {}

  // False when the bytes end early or a token is malformed. `wide`: the value is a difference as it is.
  bool Next(uint64_t* value, bool* wide) {
    *wide = false;
    *value = 0;
    if (zeros_ > 0) {
      --zeros_;
      return true;
    }
    uint64_t token = 0;
    if (!bytes_.ReadVarint(&token)) {
      return false;
    }
    if (token > kFirstValue) {
      *value = token - kFirstValue;
      return true;
    }
    if (token == kWide) {
      *wide = true;
      return ReadWide(value);
    }
    uint64_t more = 0;
    if (token == kLongRun && (!bytes_.ReadVarint(&more) || more > kMaxSeriesPerBatch * kMaxStepsPerBatch)) {
      return false;
    }
    zeros_ = token + more;  // one fewer than the run has: this one is returned
    return true;
  }

  bool ReadBytes(uint64_t size, absl::string_view* bytes) { return bytes_.ReadBytes(size, bytes); }

  bool AtEnd() const { return zeros_ == 0 && bytes_.left() == 0; }

 private:
  bool ReadWide(uint64_t* value) {
    absl::string_view raw;
    if (!bytes_.ReadBytes(8, &raw)) {
      return false;
    }
    for (size_t i = 8; i-- > 0;) {
      *value = *value << 8 | static_cast<uint8_t>(raw[i]);
    }
    return true;
  }

  ByteReader bytes_;
  uint64_t zeros_ = 0;
};

// Series with consecutive ids that are present at the same steps.
struct Run {
  uint32_t first = 0;
  uint32_t length = 0;
  uint64_t present = 0;
};

// Walks the run headers; the same walk first checks them all and then drives the values.
class RunReader {
 public:
  RunReader(ByteReader bytes, uint32_t steps) : bytes_(bytes), steps_(steps) {}

  bool ReadCount() { return bytes_.ReadVarint(&headers_) && headers_ <= kMaxSeriesPerBatch; }

  bool AtEnd() const { return headers_ == 0 && repeats_ == 0; }

  // Precondition: !AtEnd().
  bool Next(Run* run) {
    if (repeats_ > 0) {
      --repeats_;
    } else if (!ReadHeader()) {
      return false;
    }
    if (next_id_ + gap_ + run_.length - 1 > UINT32_MAX) {
      return false;
    }
    run_.first = static_cast<uint32_t>(next_id_ + gap_);
    next_id_ += gap_ + run_.length;
    *run = run_;
    return true;
  }

  ByteReader rest() const { return bytes_; }

 private:
  bool ReadHeader() {
    uint64_t gap = 0;
    uint64_t length = 0;
    if (!bytes_.ReadVarint(&gap) || !bytes_.ReadVarint(&length) || length > kMaxSeriesPerBatch) {
      return false;
    }
    --headers_;
    if (length == 0) {  // the run before, `gap` times more
      repeats_ = gap - 1;
      return run_.length > 0 && gap > 0 && gap <= kMaxSeriesPerBatch;
    }
    uint64_t present = 0;
    if (gap > UINT32_MAX || (steps_ > 1 && !bytes_.ReadVarint(&present)) || (present & ~AllSteps(steps_)) != 0) {
      return false;
    }
    gap_ = gap;
    run_.length = static_cast<uint32_t>(length);
    run_.present = present == 0 ? AllSteps(steps_) : present;
    return true;
  }

  ByteReader bytes_;
  uint32_t steps_;
  uint64_t headers_ = 0;  // not read yet
  uint64_t repeats_ = 0;  // of run_, to come
  uint64_t gap_ = 0;      // before run_
  Run run_;
  uint64_t next_id_ = 1;
};

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("columns: ", what));
}
absl::Status Malformed(uint32_t id, absl::string_view what) {
  return Malformed(absl::StrCat("series ", id, ": ", what));
}

absl::Status CheckColumns(absl::Span<const Column> columns, uint32_t steps) {
  if (steps == 0 || steps > kMaxStepsPerBatch) {
    return Malformed(absl::StrCat(steps, " steps"));
  }
  if (columns.size() > kMaxSeriesPerBatch) {
    return Malformed("too many series");
  }
  uint32_t previous = 0;
  for (const Column& column : columns) {
    if (column.id <= previous) {
      return Malformed(column.id, "ids do not ascend");
    }
    previous = column.id;
    if (column.present == 0 || (column.present & ~AllSteps(steps)) != 0) {
      return Malformed(column.id, "present at no step, or at one that is not in the batch");
    }
    const auto present = static_cast<size_t>(std::popcount(column.present));
    const bool histogram = column.kind == MetricKind::kHistogram;
    if (column.values.size() != (histogram ? 0 : present) || column.sketches.size() != (histogram ? present : 0)) {
      return Malformed(column.id, "not one value a present step");
    }
    if (column.kind == MetricKind::kCounter) {
      for (const int64_t value : column.values) {
        if (value < 0) {
          return Malformed(column.id, "negative increment");
        }
      }
    }
  }
  return absl::OkStatus();
}

// Writes run headers, gathering those that are alike: instances of one kind have the same series.
class RunWriter {
 public:
  explicit RunWriter(uint32_t steps) : steps_(steps) {}

  void Put(const Run& run) {
    const uint64_t gap = run.first - next_id_;
    next_id_ = run.first + run.length;
    if (headers_ > 0 && gap == gap_ && run.length == before_.length && run.present == before_.present) {
      ++repeats_;
      return;
    }
    EndRepeats();
    AppendVarint(gap, &bytes_);
    AppendVarint(run.length, &bytes_);
    if (steps_ > 1) {
      AppendVarint(run.present == AllSteps(steps_) ? 0 : run.present, &bytes_);
    }
    ++headers_;
    gap_ = gap;
    before_ = run;
  }

  void AppendTo(std::string* out) {
    EndRepeats();
    AppendVarint(headers_, out);
    out->append(bytes_);
  }

 private:
  void EndRepeats() {
    if (repeats_ > 0) {
      AppendVarint(repeats_, &bytes_);
      AppendVarint(0, &bytes_);
      ++headers_;
      repeats_ = 0;
    }
  }

  uint32_t steps_;
  std::string bytes_;
  uint64_t headers_ = 0;
  uint64_t repeats_ = 0;
  uint64_t gap_ = 0;
  Run before_;
  uint32_t next_id_ = 1;
};

void AppendRuns(absl::Span<const Column> columns, uint32_t steps, std::string* out) {
  RunWriter runs(steps);
  for (size_t begin = 0, end = 0; begin < columns.size(); begin = end) {
    const Column& first = columns[begin];
    for (end = begin + 1;
         end < columns.size() && columns[end].id == columns[end - 1].id + 1 && columns[end].present == first.present;) {
      ++end;
    }
    runs.Put({first.id, static_cast<uint32_t>(end - begin), first.present});
  }
  runs.AppendTo(out);
}

absl::Status DecodeHistogram(uint32_t id, uint64_t present, ValueReader* values, ColumnVisitor& visitor) {
  for (; present != 0; present &= present - 1) {
    uint64_t size = 0;
    bool wide = false;
    absl::string_view bytes;
    if (!values->Next(&size, &wide) || wide || !values->ReadBytes(size, &bytes)) {
      return Malformed(id, "the sketch ends early");
    }
    Sketch sketch;
    if (size > 0) {
      auto decoded = Sketch::Decode(bytes);
      if (!decoded.ok()) {
        return Malformed(id, decoded.status().message());
      }
      sketch = *std::move(decoded);
    }
    visitor.OnSketch(id, static_cast<uint32_t>(std::countr_zero(present)), std::move(sketch));
  }
  return absl::OkStatus();
}

absl::Status DecodeScalar(uint32_t id, MetricKind kind, uint64_t present, ValueReader* values, ColumnVisitor& visitor) {
  uint64_t previous = 0;
  for (; present != 0; present &= present - 1) {
    uint64_t value = 0;
    bool wide = false;
    if (!values->Next(&value, &wide)) {
      return Malformed(id, "the values end early");
    }
    if (kind == MetricKind::kGauge) {
      // Differences are added modulo 2^64, so any two values have one.
      const uint64_t difference =
          wide ? value : static_cast<uint64_t>(UnZigZag(value >> 1)) * ((value & 1) != 0 ? uint64_t{kUnit} : 1);
      value = previous += difference;
    } else if (wide || value > INT64_MAX) {
      return Malformed(id, "an increment over 2^63");
    }
    visitor.OnValue(id, static_cast<uint32_t>(std::countr_zero(present)), static_cast<int64_t>(value));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AppendColumns(absl::Span<const Column> columns, uint32_t steps, std::string* out) {
  if (absl::Status status = CheckColumns(columns, steps); !status.ok()) {
    return status;
  }
  AppendRuns(columns, steps, out);
  ValueWriter writer(out);
  for (const Column& column : columns) {
    int64_t previous = 0;
    for (const int64_t value : column.values) {
      if (column.kind == MetricKind::kGauge) {
        writer.PutDifference(static_cast<int64_t>(static_cast<uint64_t>(value) - static_cast<uint64_t>(previous)));
        previous = value;
      } else {
        writer.Put(static_cast<uint64_t>(value));
      }
    }
    for (const Sketch* sketch : column.sketches) {
      writer.PutSketch(*sketch);
    }
  }
  writer.EndRun();
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> DecodeColumns(absl::string_view bytes, uint32_t steps, ColumnVisitor& visitor) {
  if (steps == 0 || steps > kMaxStepsPerBatch) {
    return Malformed(absl::StrCat(steps, " steps"));
  }
  RunReader runs((ByteReader(bytes)), steps);
  if (!runs.ReadCount()) {
    return Malformed("the number of runs is missing or too large");
  }
  RunReader headers = runs;
  Run run;
  uint64_t series = 0;
  uint32_t samples = 0;
  for (uint32_t number = 0; !headers.AtEnd(); ++number) {
    if (!headers.Next(&run) || (series += run.length) > kMaxSeriesPerBatch) {
      return Malformed(absl::StrCat("run ", number, " is malformed"));
    }
    samples += run.length * static_cast<uint32_t>(std::popcount(run.present));
  }
  ValueReader values(headers.rest());
  while (!runs.AtEnd()) {
    runs.Next(&run);
    for (uint32_t k = 0; k < run.length; ++k) {
      const uint32_t id = run.first + k;
      const std::optional<MetricKind> kind = visitor.OnSeries(id);
      if (!kind.has_value()) {
        return absl::NotFoundError(absl::StrCat("unknown series id ", id));
      }
      const absl::Status status = *kind == MetricKind::kHistogram
                                      ? DecodeHistogram(id, run.present, &values, visitor)
                                      : DecodeScalar(id, *kind, run.present, &values, visitor);
      if (!status.ok()) {
        return status;
      }
    }
  }
  if (!values.AtEnd()) {
    return Malformed("bytes are left over");
  }
  return samples;
}

}  // namespace ppmm
