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

  bool ReadCount(uint64_t* count) { return bytes_.ReadVarint(count) && *count <= kMaxSeriesPerBatch; }

  bool Next(Run* run) {
    uint64_t gap = 0;
    uint64_t length = 0;
    uint64_t present = 0;
    if (!bytes_.ReadVarint(&gap) || !bytes_.ReadVarint(&length) || (steps_ > 1 && !bytes_.ReadVarint(&present))) {
      return false;
    }
    if (gap > UINT32_MAX || length == 0 || length > kMaxSeriesPerBatch || (present & ~AllSteps(steps_)) != 0 ||
        next_id_ + gap + length - 1 > UINT32_MAX) {
      return false;
    }
    *run = {static_cast<uint32_t>(next_id_ + gap), static_cast<uint32_t>(length),
            present == 0 ? AllSteps(steps_) : present};
    next_id_ += gap + length;
    return true;
  }

  ByteReader rest() const { return bytes_; }

 private:
  ByteReader bytes_;
  uint32_t steps_;
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

void AppendRuns(absl::Span<const Column> columns, uint32_t steps, std::string* out) {
  std::string headers;
  uint64_t runs = 0;
  uint32_t next_id = 1;
  for (size_t begin = 0, end = 0; begin < columns.size(); begin = end) {
    const Column& first = columns[begin];
    for (end = begin + 1;
         end < columns.size() && columns[end].id == columns[end - 1].id + 1 && columns[end].present == first.present;) {
      ++end;
    }
    AppendVarint(first.id - next_id, &headers);
    AppendVarint(end - begin, &headers);
    if (steps > 1) {
      AppendVarint(first.present == AllSteps(steps) ? 0 : first.present, &headers);
    }
    next_id = columns[end - 1].id + 1;
    ++runs;
  }
  AppendVarint(runs, out);
  out->append(headers);
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
  uint64_t run_count = 0;
  if (!runs.ReadCount(&run_count)) {
    return Malformed("the number of runs is missing or too large");
  }
  RunReader headers = runs;
  Run run;
  uint64_t series = 0;
  uint32_t samples = 0;
  for (uint64_t i = 0; i < run_count; ++i) {
    if (!headers.Next(&run) || (series += run.length) > kMaxSeriesPerBatch) {
      return Malformed(absl::StrCat("run ", i, " is malformed"));
    }
    samples += run.length * static_cast<uint32_t>(std::popcount(run.present));
  }
  ValueReader values(headers.rest());
  for (uint64_t i = 0; i < run_count; ++i) {
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
