// /metrics/hosts, written without prometheus-cpp.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "collector/exposition.h"
#include "collector/host_view.h"
#include "collector/view_reads.h"

namespace ppmm {
namespace {

void AppendEscaped(absl::string_view value, std::string* out) {
  while (true) {
    const std::size_t special = std::min(value.find_first_of("\\\"\n"), value.size());
    out->append(value.data(), special);
    if (special == value.size()) {
      return;
    }
    out->push_back('\\');
    out->push_back(value[special] == '\n' ? 'n' : value[special]);
    value.remove_prefix(special + 1);
  }
}

// `,name="value"`, without the comma at the beginning.
void AppendLabel(absl::string_view name, absl::string_view value, std::string* out) {
  if (!out->empty()) {
    out->push_back(',');
  }
  absl::StrAppend(out, name, "=\"");
  AppendEscaped(value, out);
  out->push_back('"');
}

// integer * 10^scale, exactly.
void AppendDecimal(std::int64_t integer, int scale, std::string* out) {
  std::array<char, 24> digits;
  const bool negative = integer < 0;
  // Its absolute value, which the smallest integer has only without a sign.
  const std::uint64_t magnitude =
      negative ? std::uint64_t{0} - static_cast<std::uint64_t>(integer) : static_cast<std::uint64_t>(integer);
  const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), magnitude).ptr;
  absl::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
  if (negative) {
    out->push_back('-');
  }
  if (magnitude == 0 || scale == 0) {
    out->append(text.data(), text.size());
    return;
  }
  if (scale > 0) {
    out->append(text.data(), text.size());
    out->append(static_cast<std::size_t>(scale), '0');
    return;
  }
  const auto decimals = static_cast<std::size_t>(-scale);
  if (text.size() > decimals) {
    out->append(text.data(), text.size() - decimals);
    text.remove_prefix(text.size() - decimals);
  } else {
    out->push_back('0');
  }
  const std::size_t last = text.find_last_not_of('0');
  if (last == absl::string_view::npos) {
    return;
  }
  out->push_back('.');
  out->append(decimals - text.size(), '0');
  out->append(text.data(), last + 1);
}

void AppendDouble(double value, std::string* out) {
  std::array<char, 32> digits;
  const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out->append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

void AppendLine(absl::string_view name, absl::string_view suffix, absl::string_view labels, std::string* out) {
  absl::StrAppend(out, name, suffix, "{", labels, "} ");
}

void AppendHistogram(absl::string_view name, const std::string& labels, const Sketch& sketch, std::string* out) {
  const std::array<std::uint64_t, Sketch::kClassicBuckets> buckets = sketch.ClassicBuckets();
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    absl::StrAppend(out, name, "_bucket{", labels, ",le=\"");
    AppendDouble(Sketch::ClassicBoundSeconds(i), out);
    absl::StrAppend(out, "\"} ", buckets[i], "\n");
  }
  absl::StrAppend(out, name, "_bucket{", labels, ",le=\"+Inf\"} ", sketch.count(), "\n");
  AppendLine(name, "_sum", labels, out);
  AppendDouble(sketch.sum_seconds(), out);
  out->push_back('\n');
  AppendLine(name, "_count", labels, out);
  absl::StrAppend(out, sketch.count(), "\n");
}

absl::string_view TypeName(MetricKind kind) {
  return kind == MetricKind::kCounter ? "counter" : kind == MetricKind::kGauge ? "gauge" : "histogram";
}

// All pages' text, by family.
class Page {
 public:
  void ReadAll(State& state, absl::Time now) {
    std::vector<HostKey> keys;
    absl::flat_hash_map<HostKey, SampleCounts> samples;
    {
      ReaderLock lock(&state.mutex());
      samples = SamplesByHost(state.tables());
      for (const auto& [key, host] : state.tables().hosts) {
        keys.push_back(key);
      }
    }
    for (const HostKey key : keys) {
      ReaderLock lock(&state.mutex());
      if (const HostState* const host = FindHost(state.tables(), key); host != nullptr) {
        Read(state.tables(), *host, samples[key], now);
      }
    }
  }

  // Moves about kPieceBytes of the page to `piece`; false: that was the end.
  bool Take(std::string* piece) {
    while (!families_.empty() && piece->size() < http::kPieceBytes) {
      auto& [name, family] = *families_.begin();
      if (sent_ == 0) {
        absl::StrAppend(piece, "# HELP ", name, " ", family.help, "\n# TYPE ", name, " ", family.type, "\n");
      }
      const std::size_t size = std::min(family.lines.size() - sent_, http::kPieceBytes);
      piece->append(family.lines, sent_, size);
      sent_ += size;
      if (sent_ == family.lines.size()) {
        families_.erase(families_.begin());
        sent_ = 0;
      }
    }
    return !families_.empty();
  }

 private:
  struct Family {
    std::string help;
    absl::string_view type;
    std::string lines;
  };

  void Read(const Tables& tables, const HostState& host, const SampleCounts& samples, absl::Time now) {
    std::string host_labels;
    AppendLabel("host", host.row.label, &host_labels);
    ReadSamples(samples, host_labels);
    ReadResponseClock(host, host_labels, now);
    for (const EntityId id : host.entities) {
      const EntityState* const entity = tables.Entity(id);
      if (entity == nullptr) {
        continue;
      }
      std::string labels = host_labels;
      if (entity->row.kind == EntityKind::kInstance) {
        const ApplicationState* const application = tables.Application(entity->instance.application);
        AppendLabel("application", application == nullptr ? absl::string_view() : application->label(), &labels);
        AppendLabel("slot", entity->instance.slot, &labels);
      }
      for (const SeriesId series_id : entity->series) {
        const SeriesState* const series = tables.Series(series_id);
        if (series != nullptr && IsFresh(series->last_step, now)) {
          ReadSeries(*series, labels);
        }
      }
    }
  }

  void ReadSeries(const SeriesState& series, const std::string& entity_labels) {
    const Metric& metric = *series.metric;
    Family& family = FamilyOf(metric);
    if (metric.kind == MetricKind::kHistogram) {
      if (series.histogram != nullptr) {
        std::string labels = entity_labels;
        AppendMetricLabels(series, &labels);
        AppendHistogram(metric.name, labels, series.histogram->total, &family.lines);
      }
      return;
    }
    std::string& lines = family.lines;
    lines.append(metric.name.data(), metric.name.size());
    lines.push_back('{');
    lines.append(entity_labels);
    AppendMetricLabels(series, &lines);
    lines.append("} ");
    AppendDecimal(metric.kind == MetricKind::kCounter ? series.total : series.last, metric.scale, &lines);
    lines.push_back('\n');
  }

  // Behind the labels of the entity, of which there is always one.
  static void AppendMetricLabels(const SeriesState& series, std::string* out) {
    absl::string_view values = series.labels;
    for (const absl::string_view name : series.metric->labels) {
      const std::size_t end = values.find('\x1f');
      if (end == absl::string_view::npos) {
        return;
      }
      out->push_back(',');
      out->append(name.data(), name.size());
      out->append("=\"");
      AppendEscaped(values.substr(0, end), out);
      out->push_back('"');
      values.remove_prefix(end + 1);
    }
  }

  Family& FamilyOf(const Metric& metric) {
    Family*& found = by_metric_[&metric];
    if (found == nullptr) {
      found = &families_[metric.name];
      found->help = std::string(metric.help);
      found->type = TypeName(metric.kind);
    }
    return *found;
  }

  void ReadResponseClock(const HostState& host, const std::string& host_labels, absl::Time now) {
    if (PresenceOf(host, now) != HostPresence::kLive) {
      return;
    }
    constexpr absl::string_view kName = "ppmm_host_response_clock_info";
    Family& family = families_[kName];
    family.help = "1; the kernel hooks where the agent reads the clock of response times, empty where it has none.";
    family.type = "gauge";
    const ResponseClockView clock = ResponseClockOf(host);
    std::string labels = host_labels;
    AppendLabel("arrival", clock.arrival, &labels);
    AppendLabel("read", clock.read, &labels);
    AppendLabel("write", clock.write, &labels);
    AppendLine(kName, "", labels, &family.lines);
    absl::StrAppend(&family.lines, "1\n");
  }

  void ReadSamples(const SampleCounts& samples, const std::string& host_labels) {
    constexpr absl::string_view kName = "ppmm_samples_total";
    Family& family = families_[kName];
    family.help = "Samples of a host's agents by what became of them.";
    family.type = "counter";
    const std::pair<absl::string_view, std::uint64_t> counts[] = {{"produced", samples.produced},
                                                                  {"committed", samples.committed},
                                                                  {"refused", samples.refused},
                                                                  {"dropped", samples.dropped}};
    for (const auto& [outcome, count] : counts) {
      AppendLine(kName, "", absl::StrCat(host_labels, ",outcome=\"", outcome, "\""), &family.lines);
      absl::StrAppend(&family.lines, count, "\n");
    }
    if (samples.damaged_bytes.has_value()) {
      constexpr absl::string_view kDamaged = "ppmm_spool_damaged_bytes_total";
      Family& damaged = families_[kDamaged];
      damaged.help = "Bytes of the spools of a host's agents that were found damaged, or deleted under the agent.";
      damaged.type = "counter";
      AppendLine(kDamaged, "", host_labels, &damaged.lines);
      absl::StrAppend(&damaged.lines, *samples.damaged_bytes, "\n");
    }
  }

  absl::flat_hash_map<const Metric*, Family*> by_metric_;  // while reading
  std::map<absl::string_view, Family> families_;           // names live as long as the program
  std::size_t sent_ = 0;                                   // bytes of the first family
};

}  // namespace

http::BodyStream HostMetricsStream(State& state, absl::Time now) {
  return [&state, now, page = std::shared_ptr<Page>()](std::string* piece) mutable -> absl::StatusOr<bool> {
    if (page == nullptr) {
      page = std::make_shared<Page>();
      page->ReadAll(state, now);
    }
    return page->Take(piece);
  };
}

}  // namespace ppmm
