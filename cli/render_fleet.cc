#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/json_read.h"
#include "cli/render.h"
#include "cli/table.h"
#include "nlohmann/json.hpp"

#include "common/human.h"

namespace ppmm {
namespace {

using Json = nlohmann::json;

std::string OrDash(const std::optional<double>& number, std::string (*human)(double)) {
  return number.has_value() ? human(*number) : "-";
}

// "38 conn/s", "196 KiB/s", "38 req/s" with a mark before it where more may have been asked.
std::string ThroughputOf(const Json& row) {
  const std::optional<double> rate = NumberAt(row, "throughput_per_second");
  const std::string of = TextAt(row, "throughput_of");
  if (!rate.has_value()) {
    return "-";
  }
  if (of == "bytes") {
    return absl::StrCat(HumanBytes(*rate), "/s");
  }
  return absl::StrCat(TrueAt(row, "throughput_at_least") ? kAtLeast : "", HumanNumber(*rate),
                      of == "connections" ? " conn/s"
                      : of == "runs"      ? " runs/s"
                                          : " req/s");
}

std::string EvidenceOf(const Json& row) {
  if (NumberAt(row, "instances").value_or(0) < 1) {
    return "not heard of now";
  }
  const std::string evidence = JoinedAt(row, "origin_evidence");
  return evidence.empty() ? TextAt(row, "name_evidence") : evidence;
}

constexpr absl::string_view kOther = "~other";

// Why rows have no response times: one reason for all, or by whom of the fewer.
class Legend {
 public:
  void Add(const std::string& name, const std::string& reason) {
    const auto same =
        std::find_if(reasons_.begin(), reasons_.end(), [&](const auto& one) { return one.reason == reason; });
    (same != reasons_.end() ? *same : reasons_.emplace_back(Reason{reason, {}})).names.push_back(name);
  }

  // "-: no request was seen on its sockets.", "-: redis not heard of now; any other: ...", or nothing.
  std::string Words() const {
    std::vector<Reason> reasons = reasons_;
    std::stable_sort(reasons.begin(), reasons.end(),
                     [](const Reason& a, const Reason& b) { return a.names.size() < b.names.size(); });
    std::string words;
    for (std::size_t i = 0; i < reasons.size(); ++i) {
      const bool last = i + 1 == reasons.size();
      const std::string whose = last && i == 0 ? "" : last ? "any other: " : Named(reasons[i].names);
      absl::StrAppend(&words, words.empty() ? "-: " : "; ", whose,
                      reasons[i].reason.empty() ? "no reason is known" : reasons[i].reason);
    }
    const bool unknown = reasons.size() == 1 && reasons.front().reason.empty();
    return words.empty() || unknown ? "" : absl::StrCat(words, ".");
  }

 private:
  struct Reason {
    std::string reason;
    std::vector<std::string> names;
  };

  static std::string Named(const std::vector<std::string>& names) {
    constexpr std::size_t kNamed = 3;
    std::string out;
    for (std::size_t i = 0; i < std::min(names.size(), kNamed); ++i) {
      absl::StrAppend(&out, i > 0 ? ", " : "", names[i]);
    }
    return absl::StrCat(out, names.size() > kNamed ? absl::StrCat(" and ", names.size() - kNamed, " more") : "", ": ");
  }

  std::vector<Reason> reasons_;
};

bool IsMeant(const Json& row, absl::string_view only, std::initializer_list<absl::string_view> keys) {
  const std::vector<std::string> names = NamesAt(row, keys);
  return only.empty() || std::find(names.begin(), names.end(), only) != names.end();
}

// "p50 1.2 ms, p90 3 ms, p95 4 ms, p99 9 ms, longest 12 ms, of 1,042 requests", or why there is none.
std::string TimesOf(const Json& time) {
  const std::optional<double> count = NumberAt(time, "count");
  if (!count.has_value()) {
    return TextAt(time, "reason");
  }
  const auto seconds = [&](const char* key) { return OrDash(NumberAt(time, key), HumanSeconds); };
  return absl::StrCat("p50 ", seconds("p50_seconds"), ", p90 ", seconds("p90_seconds"), ", p95 ",
                      seconds("p95_seconds"), ", p99 ", seconds("p99_seconds"), ", longest ", seconds("max_seconds"),
                      ", of ", HumanCount(static_cast<std::int64_t>(*count), "request"));
}

// "pipelined or multiplexed connections: 3 found in 60 s, at most 5 of those that are open", or nothing.
std::string UntimedWords(const Json& time) {
  const double found = NumberAt(time, "connections_without_times").value_or(0);
  const double open = NumberAt(time, "open_connections_without_times").value_or(0);
  if (found == 0 && open == 0) {
    return "";
  }
  return absl::StrCat("pipelined or multiplexed connections: ", HumanNumber(found), " found in ",
                      OrDash(NumberAt(time, "window_seconds"), HumanSeconds), ", at most ", HumanNumber(open),
                      " of those that are open");
}

std::string ApplicationDetails(const Json& row, const Screen& screen) {
  std::string out;
  const auto add = [&](absl::string_view heading, const std::string& text) {
    constexpr int kIndent = 16;
    if (!text.empty()) {
      absl::StrAppend(&out, "  ", heading,
                      std::string(static_cast<std::size_t>(kIndent - 2 - DisplayWidth(heading)), ' '),
                      Wrap(text, screen.width, kIndent, kIndent), "\n");
    }
  };
  add("key", TextAt(row, "key"));
  const std::string declared_by = TextAt(row, "declared_by");
  const std::optional<double> confidence = NumberAt(row, "origin_confidence");
  const std::string origin = TextAt(row, "origin");
  const std::string counted_origin = TextAt(MemberAt(row, "counted"), "origin");
  const bool guessed = declared_by.empty() || confidence.has_value() || origin == "unknown";
  add("origin", absl::StrCat(OriginWords(origin),
                             TrueAt(row, "confirmed") ? ", confirmed"
                             : guessed                ? ", a guess"
                                                      : ", declared, not confirmed",
                             confidence.has_value() ? absl::StrCat(" (", HumanPercent(*confidence), " sure)") : "",
                             guessed || counted_origin == origin
                                 ? ""
                                 : absl::StrCat("; the rating counts ", OriginWords(counted_origin))));
  add("evidence", JoinedAt(row, "origin_evidence"));
  add("owner", TextAt(row, "owner"));
  const std::optional<double> tier = NumberAt(row, "tier");
  const Json& counted = MemberAt(row, "counted");  // null: an older collector
  const std::optional<double> counted_tier = NumberAt(counted, "tier");
  add("tier", !tier.has_value() ? ""
              : tier == counted_tier || counted.is_null()
                  ? HumanNumber(*tier)
                  : absl::StrCat(HumanNumber(*tier), ", not confirmed; the rating counts ",
                                 counted_tier.has_value() ? HumanNumber(*counted_tier) : "none yet"));
  if (!MemberAt(row, "line_of_business").is_null()) {
    const bool only_declared =
        !counted.is_null() && TrueAt(row, "line_of_business") && !TrueAt(counted, "line_of_business");
    add("rated", only_declared ? "yes, not confirmed; the rating counts no" : RatedWords(row));
  }
  if (const Json& exclusion = MemberAt(row, "exclusion"); !exclusion.is_null()) {
    add("excluded", absl::StrCat("as ", ExclusionKindWords(TextAt(exclusion, "kind")), EasedWords(exclusion, screen)));
  }
  add("declared by",
      declared_by.empty() || TrueAt(row, "confirmed") ? declared_by : absl::StrCat(declared_by, ", not confirmed"));
  add("named by", absl::StrCat(TextAt(row, "name_source"), " ", TextAt(row, "name_evidence")));
  const std::string product = TextAt(row, "product");
  const std::string version = TextAt(row, "version");
  add("product", absl::StrCat(product, product.empty() || version.empty() ? "" : " ", version));
  add("hosts", JoinedAt(row, "hosts"));
  add("ports", JoinedAt(row, "ports"));
  add("response time", TimesOf(MemberAt(row, "response_time")));
  if (NumberAt(MemberAt(row, "response_time"), "count").has_value()) {
    add("wait", TimesOf(MemberAt(row, "wait_time")));
    add("service", TimesOf(MemberAt(row, "service_time")));
  }
  add("not timed", UntimedWords(MemberAt(row, "response_time")));
  return out;
}

// Sources that failed, and what is lost: "no sockets: permission denied".
std::string ProblemsOf(const Json& host, const Screen& screen) {
  std::string out;
  const auto add = [&](absl::string_view text) { absl::StrAppend(&out, out.empty() ? "" : "; ", text); };
  if (TrueAt(host, "duplicate")) {
    add("two machines share this identity");
  }
  if (const std::string state = TextAt(host, "state"); state == "stopped" || state == "disconnected") {
    const std::optional<absl::Time> since = TimeAt(host, "stream_ended_at");
    const std::string age = since.has_value() ? HumanAge(*since, screen.now) : "";
    add(absl::StrCat(state == "stopped" ? "its agent was stopped" : "its agent's connection ended",
                     age.empty()    ? ""
                     : age == "now" ? " just now"
                                    : absl::StrCat(" ", age)));
  }
  if (TrueAt(host, "held_for_clock")) {
    const double ahead = NumberAt(host, "clock_offset_seconds").value_or(0);
    add(absl::StrCat("sent away: its clock is ", HumanDuration(absl::Seconds(std::abs(ahead))),
                     ahead > 0 ? " ahead of" : " behind", " the collector's"));
  }
  for (const Json& source : ArrayAt(host, "sources")) {
    if (TextAt(source, "state") == "failed") {
      add(absl::StrCat(TextAt(source, "source"), ": ", TextAt(source, "reason")));
    }
  }
  const Json& samples = MemberAt(host, "samples");
  const double lost = NumberAt(samples, "dropped").value_or(0) + NumberAt(samples, "refused").value_or(0);
  if (lost > 0) {
    add(absl::StrCat("samples lost: ", HumanNumber(lost)));
  }
  return out;
}

std::string DaysOf(const Json& forecast, absl::string_view key) {
  const std::optional<double> days = NumberAt(forecast, key);
  return days.has_value() ? absl::StrCat(static_cast<std::int64_t>(*days)) : "ever";
}

// How long each resource lasts, the soonest first.
std::string ForecastLines(const Json& exhaustion, const Screen& screen) {
  std::string lines;
  std::string lasting;
  std::string unknown;
  for (const Json& forecast : ArrayAt(exhaustion, "resources")) {
    const std::string resource = TextAt(forecast, "resource");
    const std::string reason = TextAt(forecast, "reason");
    if (!reason.empty()) {
      absl::StrAppend(&unknown, unknown.empty() ? "" : ", ", resource, " (", reason, ")");
    } else if (!TrueAt(forecast, "in_sight")) {
      absl::StrAppend(&lasting, lasting.empty() ? "" : ", ", resource, " ",
                      OrDash(NumberAt(forecast, "level_ratio"), HumanPercent));
    } else {
      absl::StrAppend(
          &lines, "  ",
          Wrap(absl::StrCat("runs out: ", resource, " at ", OrDash(NumberAt(forecast, "level_ratio"), HumanPercent),
                            " in ", DaysOf(forecast, "days"), " d (", DaysOf(forecast, "days_low"), " to ",
                            DaysOf(forecast, "days_high"), "), ",
                            OrDash(NumberAt(forecast, "slope_ratio_per_day"), HumanPercent), " a day"),
               screen.width, 4, 2),
          "\n");
    }
  }
  if (!lasting.empty()) {
    absl::StrAppend(&lines, "  ", Wrap("not in sight: " + lasting, screen.width, 4, 2), "\n");
  }
  if (!unknown.empty()) {
    absl::StrAppend(&lines, "  ", Wrap("no forecast: " + unknown, screen.width, 4, 2), "\n");
  }
  return lines;
}

// "times of requests by tp_btf/sk_data_ready (arrival), ...", and what these hooks cannot see.
std::string ResponseClockWords(const Json& clock) {
  const std::string limits = TextAt(clock, "limits");
  if (TextAt(clock, "arrival").empty()) {
    return absl::StrCat("no times of requests", limits.empty() ? "" : ": ", limits);
  }
  return absl::StrCat("times of requests by ", TextAt(clock, "arrival"), " (arrival), ",
                      TextAt(clock, "read").empty() ? "-" : TextAt(clock, "read"), " (read), ", TextAt(clock, "write"),
                      " (write)", limits.empty() ? "" : ": ", limits);
}

// "samples lost: 1,303 dropped, 2 refused; 47.7 KiB of its spool were damaged", or nothing.
std::string LossWords(const Json& samples) {
  const double dropped = NumberAt(samples, "dropped").value_or(0);
  const double refused = NumberAt(samples, "refused").value_or(0);
  const double damaged = NumberAt(samples, "spool_damaged_bytes").value_or(0);
  if (dropped + refused + damaged == 0) {
    return "";
  }
  return absl::StrCat("samples lost: ", HumanNumber(dropped), " dropped, ", HumanNumber(refused), " refused",
                      damaged > 0 ? absl::StrCat("; ", HumanBytes(damaged), " of its spool were damaged") : "");
}

std::string HostDetails(const Json& host, const Screen& screen) {
  std::string working;
  std::string broken;
  for (const Json& source : ArrayAt(host, "sources")) {
    const std::string name = TextAt(source, "source");
    const std::string state = TextAt(source, "state");
    if (state == "ok") {
      absl::StrAppend(&working, working.empty() ? "" : ", ", name);
      continue;
    }
    const std::string cure = TextAt(source, "cure");
    absl::StrAppend(
        &broken, "  ", Wrap(absl::StrCat(name, " ", state, ": ", TextAt(source, "reason")), screen.width, 4, 2), "\n",
        cure.empty() ? "" : absl::StrCat("    ", Wrap(absl::StrCat("cure: ", cure), screen.width, 4, 4), "\n"));
  }
  const std::string system = absl::StrCat(TextAt(host, "operating_system"), ", kernel ", TextAt(host, "kernel"),
                                          ", capture by ", TextAt(host, "capture"));
  const std::string clock = ResponseClockWords(MemberAt(host, "response_clock"));
  const std::string lost = LossWords(MemberAt(host, "samples"));
  return absl::StrCat(
      "  ", Wrap(system, screen.width, 2, 2), "\n  ", Wrap(clock, screen.width, 4, 2), "\n",
      lost.empty() ? "" : absl::StrCat("  ", Wrap(lost, screen.width, 4, 2), "\n"),
      ForecastLines(MemberAt(host, "exhaustion"), screen),
      working.empty() ? "" : absl::StrCat("  ", Wrap("sources ok: " + working, screen.width, 4, 2), "\n"), broken);
}

std::string HeardOf(const Json& host, const Screen& screen) {
  const std::optional<double> age = NumberAt(host, "last_step_age_seconds");
  return age.has_value() ? HumanAge(screen.now - absl::Seconds(*age), screen.now) : "never";
}

}  // namespace

std::string OriginWords(absl::string_view origin) {
  return origin == "off_the_shelf" ? "off the shelf" : origin == "in_house" ? "in-house" : "unknown";
}

std::string ShownAs(const Json& application) {
  if (const std::string shown = TextAt(application, "shown_as"); !shown.empty()) {
    return shown;
  }
  const std::string group = TextAt(application, "group");  // an older collector
  return group == "default" || group.empty() ? TextAt(application, "name") : TextAt(application, "key");
}

std::string RenderApplications(const Json& applications, absl::string_view only, bool all, const Screen& screen) {
  const Json& rows = ArrayAt(applications, "applications");
  const bool has_parts = std::any_of(rows.begin(), rows.end(), [](const Json& row) {
    return NumberAt(MemberAt(row, "wait_time"), "p50_seconds").has_value();
  });
  std::vector<Column> columns = {
      {"application", false, true},         {"origin"},    {"throughput", true}, {"p50", true},
      {"p90", true, false, false, 0, true}, {"p99", true}, {"cpu", true},        {"memory", true},
      {"evidence", false, true, true}};
  constexpr std::ptrdiff_t kPartsAt = 6;  // beside the times that they are parts of
  if (has_parts) {
    columns.insert(columns.begin() + kPartsAt,
                   {Column{"wait", true, false, true}, Column{"service", true, false, true}});
  }
  Table table(std::move(columns));
  Legend legend;
  bool at_least = false;
  std::string other;
  std::string details;
  Json shown = Json::array();
  for (const Json& row : rows) {
    const Json& listed = MemberAt(row, "listed");  // an older collector says nothing
    if (!IsMeant(row, only, {"key", "shown_as", "name"}) ||
        (only.empty() && !all && listed.is_boolean() && !TrueAt(row, "listed"))) {
      continue;
    }
    const Json& time = MemberAt(row, "response_time");
    if (!NumberAt(time, "p50_seconds").has_value()) {
      legend.Add(ShownAs(row), TextAt(time, "reason"));
    }
    at_least |= TrueAt(row, "throughput_at_least");
    if (TextAt(row, "name") == kOther) {
      other = TextAt(row, "name_evidence");
    }
    const auto median = [&row](absl::string_view part) {
      return OrDash(NumberAt(MemberAt(row, part), "p50_seconds"), HumanSeconds);
    };
    std::vector<Cell> cells = {ShownAs(row),
                               MarkedOrigin(row),
                               ThroughputOf(row),
                               median("response_time"),
                               OrDash(NumberAt(time, "p90_seconds"), HumanSeconds),
                               OrDash(NumberAt(time, "p99_seconds"), HumanSeconds),
                               OrDash(NumberAt(row, "cpu_cores"), HumanCores),
                               OrDash(NumberAt(row, "resident_memory_bytes"), HumanBytes),
                               EvidenceOf(row)};
    if (has_parts) {
      cells.insert(cells.begin() + kPartsAt, {median("wait_time"), median("service_time")});
    }
    table.AddRow(std::move(cells));
    shown.push_back(row);
    if (!only.empty()) {
      absl::StrAppend(&details, "\n", ApplicationDetails(row, screen));
    }
  }
  const std::string not_listed = all || !only.empty() ? "" : TextAt(applications, "not_listed");
  const std::string hidden =
      not_listed.empty() ? "" : absl::StrCat(Wrap(not_listed + ": ppmm applications --all", screen.width, 0, 0), "\n");
  if (table.empty()) {
    return hidden.empty() ? "No application was found yet. Is an agent running? (ppmm hosts, ppmm doctor)\n"
                          : absl::StrCat("No application serves or uses much yet.\n", hidden);
  }
  std::vector<std::string> left_out;
  std::string out = table.Render(screen, 0, &left_out);
  const auto is_shown = [&](absl::string_view heading) {
    return has_parts && std::find(left_out.begin(), left_out.end(), heading) == left_out.end();
  };
  absl::StrAppend(&out, CountsOtherwiseNote(shown, /*origins_only=*/true, screen));
  std::string note;
  const std::optional<absl::Time> from = TimeAt(applications, "from");
  const std::optional<absl::Time> to = TimeAt(applications, "to");
  if (from.has_value() && to.has_value()) {
    absl::StrAppend(&note, "Over ", HumanSeconds(absl::ToDoubleSeconds(*to - *from)), " up to ",
                    HumanAge(*to, screen.now), ". ");
  }
  absl::StrAppend(&note,
                  is_shown("service") ? "wait, service: medians. "
                  : is_shown("wait")  ? "wait: median. "
                                      : "",
                  at_least ? absl::StrCat(kAtLeastNote, " ") : "", legend.Words(),
                  other.empty() ? "" : absl::StrCat(" ", kOther, ": ", other, "."));
  absl::StrAppend(&out, Wrap(note, screen.width, 0, 0), "\n", hidden, details);
  return out;
}

std::string RenderHosts(const Json& hosts, absl::string_view only, const Screen& screen) {
  Table table({{"host", false, true},
               {"state"},
               {"last heard", true},
               {"cpu", true},
               {"memory", true},
               {"runs out"},
               {"agent", false, false, true},
               {"problems", false, true}});
  std::string sources;
  for (const Json& row : ArrayAt(hosts, "hosts")) {
    if (!IsMeant(row, only, {"host"})) {
      continue;
    }
    const std::string state = TextAt(row, "state");
    const std::string problems = ProblemsOf(row, screen);
    table.AddRow({TextAt(row, "host"),
                  {state, state == "live"                        ? Tone::kGood
                          : state == "off" || state == "stopped" ? Tone::kDim
                                                                 : Tone::kBad},
                  HeardOf(row, screen),
                  OrDash(NumberAt(row, "cpu_utilization_ratio"), HumanPercent),
                  OrDash(NumberAt(row, "memory_utilization_ratio"), HumanPercent),
                  DashFor(TextAt(MemberAt(row, "exhaustion"), "words")),
                  TextAt(row, "agent_version"),
                  {problems.empty() ? "-" : problems, problems.empty() ? Tone::kPlain : Tone::kWarning}});
    if (only.empty()) {
      continue;
    }
    absl::StrAppend(&sources, "\n", HostDetails(row, screen));
  }
  if (table.empty()) {
    return "No host was heard of yet. Start an agent: ppmm-agent --collector ADDR:7767\n";
  }
  return absl::StrCat(table.Render(screen), sources);
}

std::string RenderStatus(const Json& status, const Screen& screen) {
  std::string out;
  const bool ready = TrueAt(status, "ready");
  const std::string reason = TextAt(status, "reason");
  if (ready) {
    absl::StrAppend(&out, Toned(screen, Tone::kGood, "ready"), "\n\n");
  } else {
    constexpr absl::string_view kNotReady = "NOT READY";
    absl::StrAppend(&out, Toned(screen, Tone::kBad, kNotReady), ": ",
                    Wrap(reason, screen.width, 0, DisplayWidth(kNotReady) + 2), "\n\n");
  }
  const auto add = [&](absl::string_view heading, const std::string& text) {
    constexpr int kIndent = 14;
    absl::StrAppend(&out, heading, std::string(static_cast<std::size_t>(kIndent - DisplayWidth(heading)), ' '),
                    Wrap(text, screen.width, kIndent, kIndent), "\n");
  };
  const auto number = [](const Json& object, absl::string_view key) {
    return OrDash(NumberAt(object, key), HumanNumber);
  };
  const auto bytes = [](const Json& object, absl::string_view key) {
    return OrDash(NumberAt(object, key), HumanBytes);
  };
  const auto count = [](const Json& object, absl::string_view key, absl::string_view one, absl::string_view many = "") {
    const std::optional<double> known = NumberAt(object, key);
    return HumanCount(known.has_value() ? std::optional(static_cast<std::int64_t>(*known)) : std::nullopt, one, many);
  };
  const auto seconds = [](const Json& object, absl::string_view key) {
    return OrDash(NumberAt(object, key), HumanSeconds);
  };
  const Json& hosts = MemberAt(status, "hosts");
  const Json& samples = MemberAt(status, "samples");
  const Json& commits = MemberAt(status, "commits");
  const Json& ingest = MemberAt(status, "ingest");
  const Json& store = MemberAt(status, "store");
  const Json& process = MemberAt(status, "process");
  add("collector",
      absl::StrCat(TextAt(status, "version"), ", up ", seconds(status, "uptime_seconds"), ", ",
                   bytes(process, "resident_memory_bytes"), " memory, ", seconds(process, "cpu_seconds"), " CPU"));
  if (!ready && NumberAt(status, "as_of_commit").has_value()) {
    const std::optional<absl::Time> as_of = TimeAt(status, "as_of");
    add("as of", !as_of.has_value() ? "nothing was committed yet"
                                    : absl::StrCat(HumanAge(*as_of, screen.now), ", when commit ",
                                                   number(status, "as_of_commit"), " was the last that succeeded"));
  }
  // What is beyond a limit, or is rare, is said only where there is some.
  const auto more = [&number](const Json& object, absl::string_view key, absl::string_view what) {
    return NumberAt(object, key).value_or(0) > 0 ? absl::StrCat(", ", number(object, key), what) : "";
  };
  add("hosts",
      absl::StrCat(number(hosts, "live"), " live, ", number(hosts, "silent"), " silent, ", number(hosts, "off"), " off",
                   more(hosts, "stopped", " stopped"), more(hosts, "disconnected", " disconnected")));
  for (const Json& clock : ArrayAt(status, "response_clocks")) {
    add("clock", absl::StrCat(count(clock, "hosts", "live host"), ": ", ResponseClockWords(clock)));
  }
  add("watches", absl::StrCat(count(status, "applications", "application"), ", ",
                              count(status, "instances", "instance"), ", ", number(status, "series"), " series",
                              more(ingest, "refused_entries", " refused beyond the limits of the store")));
  add("samples", absl::StrCat(number(samples, "committed"), " committed of ", number(samples, "produced"), ", ",
                              number(samples, "refused"), " refused, ", number(samples, "dropped"), " dropped, ",
                              number(samples, "late"), " late",
                              NumberAt(samples, "spool_damaged_bytes").value_or(0) > 0
                                  ? absl::StrCat(", ", bytes(samples, "spool_damaged_bytes"), " of spools damaged")
                                  : "",
                              NumberAt(status, "samples_lost_by_restore").value_or(0) > 0
                                  ? absl::StrCat(", ", number(status, "samples_lost_by_restore"), " lost by a restore")
                                  : ""));
  add("commits",
      absl::StrCat(number(commits, "count"), ", ", number(commits, "failed"), " failed; mean ",
                   seconds(commits, "mean_seconds"), ", longest ", seconds(commits, "longest_seconds"), ", the last ",
                   NumberAt(commits, "last_age_seconds").has_value()
                       ? HumanAge(screen.now - absl::Seconds(*NumberAt(commits, "last_age_seconds")), screen.now)
                       : "-"));
  const Json& shed = MemberAt(ingest, "shed_connections");
  add("streams",
      absl::StrCat(number(ingest, "streams"), " open", more(ingest, "streams_refused", " sent away"),
                   NumberAt(ingest, "connections_without_stream").value_or(0) > 0
                       ? absl::StrCat(", ", count(ingest, "connections_without_stream", "connection without a stream",
                                                  "connections without a stream"))
                       : "",
                   more(shed, "per_address", " shed (too many from one address)"),
                   more(shed, "no_descriptor", " shed (out of descriptors)"), "; ", number(ingest, "repeated_batches"),
                   " repeated of ", count(ingest, "batches", "batch", "batches"), "; queue ",
                   bytes(ingest, "queue_bytes"), " of ", bytes(ingest, "queue_limit_bytes")));
  add("store", absl::StrCat(bytes(store, "size_bytes"), ", ", bytes(store, "disk_free_bytes"), " free in ",
                            TextAt(store, "data_directory"), "; id ", TextAt(status, "store_id")));
  const Json& configuration = MemberAt(status, "configuration");
  if (!TrueAt(configuration, "last_reload_successful")) {
    add("configuration", "the last one read was not taken:");
    for (const std::string& line : LinesAt(configuration, "error")) {
      add("", line);
    }
  }
  if (const std::string waiting = JoinedAt(configuration, "waits_for_restart"); !waiting.empty()) {
    add("configuration", absl::StrCat("waits for a restart: ", waiting));
  }
  for (const Json& component : ArrayAt(status, "components")) {
    // Why it is not ready is said above.
    if (TextAt(component, "state") != "ok" && (ready || TextAt(component, "reason") != reason)) {
      const std::string cure = TextAt(component, "cure");
      add(TextAt(component, "component"),
          absl::StrCat(TextAt(component, "reason"), cure.empty() ? "" : absl::StrCat("; ", cure)));
    }
  }
  return out;
}

}  // namespace ppmm
