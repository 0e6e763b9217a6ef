#include "agent/privacy.h"

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/text_format.h"

#include "agent/hello.h"
#include "agent/host_info.h"
#include "agent/identify/identify.h"
#include "agent/identity_file.h"
#include "agent/recorder.h"
#include "agent/sampler.h"
#include "agent/sources.h"
#include "agent/spool_file.h"
#include "common/batch_codec.h"
#include "common/metrics.h"
#include "common/status.h"
#include "common/text.h"
#include "proto/telemetry.pb.h"

namespace ppmm {
namespace {

constexpr std::uint64_t kEpoch = 1;  // the daemon takes random numbers

// Ids as people compare them, in hexadecimal; names as they are.
class Fields : public google::protobuf::TextFormat::FastFieldValuePrinter {
 public:
  void PrintBytes(const std::string& value, google::protobuf::TextFormat::BaseTextGenerator* out) const override {
    out->PrintString(absl::BytesToHexString(value));
  }
  void PrintString(const std::string& value, google::protobuf::TextFormat::BaseTextGenerator* out) const override {
    out->PrintString(absl::StrCat("\"", EscapeForDisplay(value, 1024), "\""));
  }
};

// "ppmm_host_cpu_seconds_total of entity 1 "0" "user"".
std::string SeriesName(const wire::Series& series) {
  std::string text = absl::StrCat(series.name(), " of entity ", series.entity());
  for (const std::string& label : series.labels()) {
    absl::StrAppend(&text, " \"", EscapeForDisplay(label), "\"");
  }
  return text;
}

// The values of a batch, of each series the first that it ever has; what follows differs in the number alone.
class BatchValues : public ColumnVisitor {
 public:
  // Both outlive this.
  BatchValues(const std::map<std::uint32_t, wire::Series>* series, std::set<std::uint32_t>* shown)
      : series_(series), shown_(shown) {}
  std::optional<MetricKind> OnSeries(std::uint32_t id) override {
    const auto found = series_->find(id);
    if (found == series_->end()) {
      return std::nullopt;
    }
    return found->second.kind() == wire::COUNTER     ? MetricKind::kCounter
           : found->second.kind() == wire::HISTOGRAM ? MetricKind::kHistogram
                                                     : MetricKind::kGauge;
  }
  void OnValue(std::uint32_t id, std::uint32_t, std::int64_t value) override {
    Add(id, absl::StrFormat("%.12g", static_cast<double>(value) * ScaleFactor(series_->at(id).scale())));
  }
  void OnSketch(std::uint32_t id, std::uint32_t, Sketch sketch) override {
    Add(id, absl::StrCat("buckets {",
                         absl::StrJoin(sketch.buckets(), " ",
                                       [](std::string* out, const Sketch::Bucket& bucket) {
                                         absl::StrAppend(out, bucket.index, ":", bucket.count);
                                       }),
                         "} sum ", absl::StrFormat("%.9g s", sketch.sum_seconds())));
  }
  std::string text() const {
    return absl::StrCat(text_, more_ == 0 ? "" : absl::StrCat("      and ", more_, " more of series shown before\n"));
  }

 private:
  void Add(std::uint32_t id, const std::string& value) {
    if (!shown_->insert(id).second) {
      ++more_;
      return;
    }
    const wire::Series& series = series_->at(id);
    absl::StrAppend(&text_, "      ", SeriesName(series), series.kind() == wire::COUNTER ? " +" : " ", value, "\n");
  }

  const std::map<std::uint32_t, wire::Series>* const series_;
  std::set<std::uint32_t>* const shown_;
  std::string text_;
  std::size_t more_ = 0;
};

// Reads what is there and refuses every write, so that asking changes nothing.
class ReadOnly : public SpoolDirectory {
 public:
  explicit ReadOnly(std::unique_ptr<SpoolDirectory> disk) : disk_(std::move(disk)) {}
  absl::StatusOr<std::unique_ptr<SpoolFile>> Open(absl::string_view name, Mode mode) override {
    if (mode != Mode::kRead) {
      return Refused();
    }
    return disk_ == nullptr ? absl::NotFoundError("no data directory yet") : disk_->Open(name, mode);
  }
  absl::StatusOr<std::vector<Entry>> List(absl::string_view directory) override {
    return disk_ == nullptr ? std::vector<Entry>() : disk_->List(directory);
  }
  absl::Status MakeDirectory(absl::string_view) override { return Refused(); }
  absl::StatusOr<FileIdentity> Identify(absl::string_view name) override {
    return disk_ == nullptr ? absl::NotFoundError("no data directory yet") : disk_->Identify(name);
  }
  absl::Status Remove(absl::string_view) override { return Refused(); }
  absl::Status RemoveDirectory(absl::string_view) override { return Refused(); }
  absl::Status Rename(absl::string_view, absl::string_view) override { return Refused(); }
  absl::Status SyncDirectory(absl::string_view) override { return Refused(); }

 private:
  static absl::Status Refused() { return absl::PermissionDeniedError("nothing is written"); }
  const std::unique_ptr<SpoolDirectory> disk_;
};

AgentIdentity IdentityOf(const AgentSettings& settings, const Clock* clock) {
  std::unique_ptr<SpoolDirectory> disk;
  std::error_code unreadable;  // then the identity of a first start is shown
  if (std::filesystem::is_directory(settings.data, unreadable)) {
    if (absl::StatusOr<std::unique_ptr<SpoolDirectory>> opened = OpenDiskDirectory(settings.data); opened.ok()) {
      disk = *std::move(opened);
    }
  }
  ReadOnly directory(std::move(disk));
  IdentityFile file(&directory, ReadMachineId(settings.root), settings.host_id_override, KernelRandomBytes);
  file.Establish(clock->Now()).IgnoreError();  // that it is not written is meant
  return file.identity();
}

// Keeps what the spool would have been given.
class Frames : public BatchSink {
 public:
  void BeginEpoch(std::uint64_t, std::function<std::vector<std::string>()> dictionary) override {
    complete_ = std::move(dictionary);
  }
  void AppendDictionary(absl::string_view frame) override { Append(frame); }
  void AppendBatch(std::uint64_t, std::uint32_t, absl::Time, absl::string_view frame) override { Append(frame); }
  const std::vector<std::string>& list() const { return list_; }

 private:
  // As the spool: everything in force begins its file.
  void Append(absl::string_view frame) {
    if (list_.empty()) {
      list_ = complete_();
    }
    list_.emplace_back(frame);
  }

  std::function<std::vector<std::string>()> complete_;
  std::vector<std::string> list_;
};

std::string Destination(const AgentSettings& settings) {
  const bool tls = !settings.tls_ca.empty();
  return absl::StrCat(settings.collector, tls ? ", by mutual TLS" : ", in plain text",
                      tls || settings.insecure_network ? "" : ", which is allowed on loopback only");
}

absl::string_view TitleOf(const wire::AgentFrame& frame) {
  switch (frame.body_case()) {
    case wire::AgentFrame::kHello:
      return "HELLO, when a connection opens";
    case wire::AgentFrame::kDictionary:
      return frame.dictionary().complete() ? "DICTIONARY, what numbers mean: all of it, at the start"
                                           : "DICTIONARY, what is new or changed";
    case wire::AgentFrame::kBatch:
      return "BATCH, each second";
    case wire::AgentFrame::kSpoolState:
      return "SPOOL STATE, when samples were lost";
    default:
      return "GOODBYE, when the agent is stopped";
  }
}

}  // namespace

struct FramePrinter::Impl {
  google::protobuf::TextFormat::Printer printer;
  std::map<std::uint32_t, wire::Series> series;
  std::set<std::uint32_t> shown;  // ids with a value
};

FramePrinter::FramePrinter() : impl_(std::make_unique<Impl>()) {
  impl_->printer.SetDefaultFieldValuePrinter(new Fields);
  impl_->printer.SetInitialIndentLevel(2);
}
FramePrinter::~FramePrinter() = default;

absl::StatusOr<std::string> FramePrinter::Print(absl::string_view bytes) {
  wire::AgentFrame frame;
  if (!frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError("these bytes are no frame of an agent");
  }
  std::string values;
  for (const wire::Series& series : frame.dictionary().series()) {
    impl_->series[series.id()] = series;
    absl::StrAppend(&values, "      series ", series.id(), ": ", SeriesName(series), ", ",
                    wire::Kind_Name(series.kind()), ", in 10^", series.scale(), ", each ",
                    series.period_seconds() == 0 ? "step" : absl::StrCat(series.period_seconds(), " s"), "\n");
  }
  if (frame.has_dictionary()) {
    frame.mutable_dictionary()->clear_series();
  }
  if (frame.has_batch()) {
    BatchValues decoded(&impl_->series, &impl_->shown);
    RETURN_IF_ERROR(DecodeColumns(frame.batch().columns(), frame.batch().steps(), decoded).status());
    values = absl::StrCat("    columns: ", frame.batch().columns().size(), " bytes, which say\n", decoded.text());
    frame.mutable_batch()->clear_columns();
  }
  const absl::string_view title = TitleOf(frame);
  std::string fields;
  impl_->printer.PrintToString(frame, &fields);
  return absl::StrCat(title, ": ", bytes.size(), " bytes\n", fields, values);
}

absl::StatusOr<std::string> DescribePrivacy(const AgentSettings& settings, const Clock* clock, absl::Duration length) {
  ASSIGN_OR_RETURN(const BootFacts boot, ReadBootFacts(settings.root));
  ASSIGN_OR_RETURN(const std::unique_ptr<Identifier> identifier,
                   Identifier::Create(settings.root.empty() ? "/" : settings.root));
  SourceOptions options;
  options.root = settings.root;
  options.use_bpf = settings.use_bpf;
  options.disabled = settings.disabled_sources;
  options.identifier = identifier.get();
  PackageLog package_log(settings.root, nullptr);
  options.package_log = &package_log;
  options.identify_at_once = true;
  options.spool_stats = [] { return SpoolStats(); };
  Sources sources = BuildSources(options);

  Recorder recorder;
  wire::Host host = ReadHostInfo(settings.root);
  host.set_capture(sources.capture);
  *host.mutable_response_clock() = sources.response_clock;
  recorder.SetHost(host, boot.boot);
  recorder.SetHostLife(ReadHostLife(settings.root, boot, absl::StrCat(settings.data, "/life")));
  Frames frames;
  Sampler sampler(clock, &recorder, &frames, std::move(sources.list), [] { return kEpoch; });
  sampler.BeginEpoch();
  for (const absl::Duration end = clock->SinceBoot() + length; clock->SinceBoot() < end;) {
    std::this_thread::sleep_for(absl::ToChronoMicroseconds(sampler.Tick()));
  }
  sampler.Stop();
  sampler.Run();  // drains

  std::string out = absl::StrCat(
      "What leaves this host\n"
      "  to     ",
      Destination(settings),
      "; to nobody else\n"
      "  never  what requests and answers say, command lines, environments, what is in files. (In the kernel the\n"
      "         first 24 bytes of an answer and the marks of its end are looked at, to tell its protocol and errors;\n"
      "         none of them is kept.) Names and paths of programs leave, with whatever stands in a path; and, when\n"
      "         /var/log/dpkg.log tells that a package of a program that runs was installed, its name, versions and\n"
      "         time.\n"
      "Below stands every field of every message of ",
      absl::ToInt64Seconds(length),
      " s of this host, read from the bytes that would be\n"
      "sent. proto/telemetry.proto says what the fields mean, docs/metrics.md each metric.\n");
  wire::AgentFrame hello;
  FillHello(IdentityOf(settings, clock), settings.group, settings.root, boot, clock->SinceBoot(),
            hello.mutable_hello());
  hello.mutable_hello()->set_current_epoch(kEpoch);
  hello.mutable_hello()->add_epochs()->set_epoch(kEpoch);
  hello.mutable_hello()->mutable_spool();
  wire::AgentFrame goodbye;
  goodbye.mutable_goodbye()->set_reason("SIGTERM");
  std::vector<std::string> all = {hello.SerializeAsString()};
  all.insert(all.end(), frames.list().begin(), frames.list().end());
  all.push_back(goodbye.SerializeAsString());
  FramePrinter printer;
  for (const std::string& frame : all) {
    ASSIGN_OR_RETURN(const std::string text, printer.Print(frame));
    absl::StrAppend(&out, "\n", text);
  }
  return out;
}

}  // namespace ppmm
