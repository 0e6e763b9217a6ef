// Bytes a sample of what an agent recorded: reads a spool directory, changes nothing.
//   wire_recording SPOOL-DIRECTORY
// A recording is the spool of an agent whose collector does not answer, at most 15 minutes long (then the agent goes to
// steps of 10 s):
//   ppmm-agent --data DIR --socket DIR/socket --collector 127.0.0.1:9     and after a while: wire_recording DIR/spool
// The batches as they lie, and the same values encoded again with more steps to a batch.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"

#include "agent/spool_format.h"
#include "common/batch_codec.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

MetricKind KindOf(wire::Kind kind) {
  return kind == wire::COUNTER ? MetricKind::kCounter
                               : (kind == wire::HISTOGRAM ? MetricKind::kHistogram : MetricKind::kGauge);
}

// One series in a group of batches.
struct Values {
  MetricKind kind = MetricKind::kGauge;
  std::uint64_t present = 0;
  std::vector<std::int64_t> values;
};

// Batches of one epoch that follow each other, decoded.
class Group : public ColumnVisitor {
 public:
  explicit Group(const std::map<std::uint32_t, MetricKind>* kinds) : kinds_(kinds) {}

  absl::Status Add(const wire::Batch& batch) {
    step_ = static_cast<std::uint32_t>((batch.t0() - t0_) / batch.step_seconds());
    return DecodeColumns(batch.columns(), batch.steps(), *this).status();
  }
  void Begin(std::int64_t t0) {
    t0_ = t0;
    series_.clear();
  }
  // The size of the columns, encoded as one batch.
  std::size_t EncodedBytes(std::uint32_t steps) const {
    std::vector<Column> columns;
    for (const auto& [id, values] : series_) {
      columns.push_back({id, values.kind, values.present, values.values, {}});
    }
    std::string bytes;
    if (const absl::Status status = AppendColumns(columns, steps, &bytes); !status.ok()) {
      std::fprintf(stderr, "wire_recording: %s\n", std::string(status.message()).c_str());
      std::exit(1);
    }
    return bytes.size();
  }

  std::optional<MetricKind> OnSeries(std::uint32_t id) override {
    const auto found = kinds_->find(id);
    return found == kinds_->end() ? std::nullopt : std::optional<MetricKind>(found->second);
  }
  void OnValue(std::uint32_t id, std::uint32_t step, std::int64_t value) override {
    Values& values = series_[id];
    values.kind = kinds_->at(id);
    values.present |= std::uint64_t{1} << (step_ + step);
    values.values.push_back(value);
  }
  void OnSketch(std::uint32_t /*id*/, std::uint32_t /*step*/, Sketch /*sketch*/) override { ++sketches_; }
  std::size_t sketches() const { return sketches_; }

 private:
  const std::map<std::uint32_t, MetricKind>* const kinds_;
  std::map<std::uint32_t, Values> series_;
  std::int64_t t0_ = 0;
  std::uint32_t step_ = 0;
  std::size_t sketches_ = 0;
};

struct Recording {
  std::map<std::uint64_t, std::map<std::uint32_t, MetricKind>> kinds;  // by epoch
  std::vector<wire::Batch> batches;                                    // in order
  std::size_t frame_bytes = 0;                                         // of the batches, as they are sent
  std::size_t dictionary_bytes = 0;                                    // complete ones begin each segment
};

Recording Read(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (absl::EndsWith(entry.path().string(), ".seg")) {
      names.push_back(entry.path().string());
    }
  }
  std::sort(names.begin(), names.end());
  Recording recording;
  for (const std::string& name : names) {
    std::ifstream file(name, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    absl::string_view rest = bytes;
    for (std::optional<SpoolHeader> header = ParseSpoolHeader(rest);
         header.has_value() && rest.size() >= kSpoolHeaderBytes + header->length; header = ParseSpoolHeader(rest)) {
      wire::AgentFrame frame;
      frame.ParseFromArray(rest.data() + kSpoolHeaderBytes, static_cast<int>(header->length));
      if (frame.has_dictionary()) {
        recording.dictionary_bytes += header->length;
        for (const wire::Series& series : frame.dictionary().series()) {
          recording.kinds[header->epoch][series.id()] = KindOf(series.kind());
        }
      } else if (frame.has_batch()) {
        recording.frame_bytes += header->length;
        recording.batches.push_back(frame.batch());
      }
      rest.remove_prefix(kSpoolHeaderBytes + header->length);
    }
  }
  return recording;
}

void Print(const char* what, std::size_t bytes, std::size_t samples) {
  std::printf("%-44s %10zu bytes %6.3f bytes a sample\n", what, bytes,
              static_cast<double>(bytes) / static_cast<double>(samples));
}

int Report(const Recording& recording) {
  std::size_t samples = 0;
  std::size_t columns = 0;
  std::size_t series = 0;
  for (const wire::Batch& batch : recording.batches) {
    samples += batch.samples();
    columns += batch.columns().size();
  }
  for (const auto& [epoch, kinds] : recording.kinds) {
    series = std::max(series, kinds.size());
  }
  if (samples == 0) {
    std::fputs("wire_recording: there is no batch\n", stderr);
    return 1;
  }
  std::printf("%zu batches of %u steps of %u s, %zu series, %zu samples in %lld s\n", recording.batches.size(),
              recording.batches.front().steps(), recording.batches.front().step_seconds(), series, samples,
              static_cast<long long>(recording.batches.back().t0() - recording.batches.front().t0() + 1));
  Print("columns as recorded", columns, samples);
  Print("frames as sent: with peers, events, numbers", recording.frame_bytes, samples);
  Print("frames and all dictionaries", recording.frame_bytes + recording.dictionary_bytes, samples);
  for (const std::uint32_t steps : {1U, 6U, 10U}) {
    std::size_t bytes = 0;
    std::size_t sketches = 0;
    std::size_t batches = 0;
    for (std::size_t i = 0; i < recording.batches.size();) {
      const wire::Batch& first = recording.batches[i];
      Group group(&recording.kinds.at(first.epoch()));
      group.Begin(first.t0());
      const std::int64_t end = first.t0() + std::int64_t{steps} * first.step_seconds();
      for (; i < recording.batches.size() && recording.batches[i].epoch() == first.epoch() &&
             recording.batches[i].t0() + recording.batches[i].steps() * recording.batches[i].step_seconds() <= end;
           ++i) {
        if (const absl::Status status = group.Add(recording.batches[i]); !status.ok()) {
          std::fprintf(stderr, "wire_recording: batch %zu: %s\n", i, std::string(status.message()).c_str());
          return 1;
        }
      }
      bytes += group.EncodedBytes(steps);
      sketches += group.sketches();
      ++batches;
    }
    const std::string what = "columns, " + std::to_string(steps) + " steps a batch" +
                             (sketches > 0 ? ", without " + std::to_string(sketches) + " sketches" : "");
    Print(what.c_str(), bytes, samples);
  }
  return 0;
}

}  // namespace
}  // namespace ppmm

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("wire_recording SPOOL-DIRECTORY\n", stderr);
    return 2;
  }
  return ppmm::Report(ppmm::Read(argv[1]));
}
