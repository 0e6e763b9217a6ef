#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/json_read.h"
#include "cli/render.h"
#include "cli/table.h"
#include "nlohmann/json.hpp"

#include "common/human.h"

namespace ppmm {
namespace {

using Json = nlohmann::json;

constexpr char kMark[] = "*";  // behind what is declared and counts otherwise

std::string TierWords(const Json& row) {
  const std::optional<double> tier = NumberAt(row, "tier");
  return tier.has_value() ? HumanNumber(*tier) : "-";
}

// An older collector does not say what counts.
bool OriginCountsOtherwise(const Json& row) {
  const std::string counted = TextAt(MemberAt(row, "counted"), "origin");
  return !counted.empty() && counted != TextAt(row, "origin");
}

// What of an application is declared and counts otherwise until it is confirmed: "origin off the shelf, tier 2".
std::string CountsOtherwise(const Json& row, bool origins_only) {
  const Json& counted = MemberAt(row, "counted");
  std::vector<std::string> words;
  if (OriginCountsOtherwise(row)) {
    words.push_back(absl::StrCat("origin ", OriginWords(TextAt(counted, "origin"))));
  }
  if (origins_only) {
    return absl::StrJoin(words, ", ");
  }
  if (NumberAt(counted, "tier") != NumberAt(row, "tier")) {
    words.push_back(absl::StrCat("tier ", TierWords(counted)));
  }
  if (MemberAt(counted, "line_of_business") != MemberAt(row, "line_of_business")) {
    words.emplace_back(TrueAt(counted, "line_of_business") ? "rated" : "not rated");
  }
  return absl::StrJoin(words, ", ");
}

std::string MarkedIf(bool otherwise, const std::string& text) {
  return absl::StrCat(text, otherwise ? kMark : "");
}

std::string ApplicationTable(const Json& inventory, const Screen& screen) {
  Table table({{"application", false, true},
               {"origin"},
               {"tier", true},
               {"rated"},
               {"owner", false, true},
               {"hosts", false, true, true},
               {"evidence", false, true, true}});
  for (const Json& row : ArrayAt(inventory, "applications")) {
    const Json& counted = MemberAt(row, "counted");
    table.AddRow({ShownAs(row), MarkedOrigin(row),
                  MarkedIf(NumberAt(counted, "tier") != NumberAt(row, "tier"), TierWords(row)),
                  MarkedIf(MemberAt(counted, "line_of_business") != MemberAt(row, "line_of_business"), RatedWords(row)),
                  DashFor(TextAt(row, "owner")), DashFor(JoinedAt(row, "hosts")), JoinedAt(row, "origin_evidence")});
  }
  if (table.empty()) {
    return "No application was found yet. Is an agent running? (ppmm hosts, ppmm doctor)\n";
  }
  return absl::StrCat(table.Render(screen),
                      CountsOtherwiseNote(ArrayAt(inventory, "applications"), /*origins_only=*/false, screen));
}

std::string HostTable(const Json& inventory, const Screen& screen) {
  Table table({{"host", false, true},
               {"agent"},
               {"owner", false, true},
               {"first seen", true},
               {"addresses", false, true, true},
               {"system", false, true, true}});
  for (const Json& row : ArrayAt(inventory, "hosts")) {
    const std::optional<absl::Time> first_seen = TimeAt(row, "first_seen");
    table.AddRow({TextAt(row, "host"),
                  {"yes", Tone::kGood},
                  DashFor(TextAt(row, "owner")),
                  first_seen.has_value() ? HumanAge(*first_seen, screen.now) : "-",
                  DashFor(JoinedAt(row, "addresses")),
                  DashFor(TextAt(row, "operating_system"))});
  }
  for (const Json& row : ArrayAt(inventory, "hosts_without_agent")) {
    table.AddRow({TextAt(row, "host"),
                  {"none", Tone::kWarning},
                  DashFor(TextAt(row, "owner")),
                  "-",
                  "-",
                  "called by monitored hosts"});
  }
  return table.empty() ? "No host was heard of yet. Start an agent: ppmm-agent --collector ADDR:7767\n"
                       : table.Render(screen);
}

// What an entry of maintenance, exclusions or exemptions is about.
std::string ScopeOf(const Json& row) {
  const std::string application = TextAt(row, "application");
  const std::string host = TextAt(row, "host");
  return !application.empty() ? application : host.empty() ? "everything" : absl::StrCat("host ", host);
}

// ": reason".
std::string ReasonOf(const Json& row) {
  const std::string reason = TextAt(row, "reason");
  return reason.empty() ? "" : absl::StrCat(": ", reason);
}

// As the file writes times, in UTC.
std::optional<absl::Time> FileTime(const char* format, const std::string& text) {
  absl::Time time;
  std::string ignored;
  return absl::ParseTime(format, text, absl::UTCTimeZone(), &time, &ignored) ? std::optional<absl::Time>(time)
                                                                             : std::nullopt;
}

std::string MaintenanceWords(const Json& row, absl::Time now) {
  constexpr char kFormat[] = "%Y-%m-%d %H:%M";
  const std::optional<absl::Time> from = FileTime(kFormat, TextAt(row, "from"));
  const std::optional<absl::Time> to = FileTime(kFormat, TextAt(row, "to"));
  const bool over = to.has_value() && *to <= now;
  const bool running = !over && from.has_value() && *from <= now;
  return absl::StrCat(ScopeOf(row), " ", TextAt(row, "from"), " to ", TextAt(row, "to"), " UTC",
                      over      ? ", over"
                      : running ? ", now"
                                : "",
                      ReasonOf(row));
}

// The lists of the file that are no columns of a table.
std::string DeclaredLists(const Json& declared, const Screen& screen) {
  std::string out;
  const auto add = [&](absl::string_view heading, const std::string& text) {
    constexpr int kIndent = 15;
    absl::StrAppend(&out, "  ", heading,
                    std::string(static_cast<std::size_t>(kIndent - 2 - DisplayWidth(heading)), ' '),
                    Wrap(text, screen.width, kIndent, kIndent), "\n");
  };
  if (const std::string networks = JoinedAt(declared, "networks"); !networks.empty()) {
    add("networks", networks);
  }
  for (const Json& row : ArrayAt(declared, "maintenance")) {
    add("maintenance", MaintenanceWords(row, screen.now));
  }
  for (const Json& row : ArrayAt(declared, "exclusions")) {
    add("exclusion",
        absl::StrCat(ScopeOf(row), " as ", ExclusionKindWords(TextAt(row, "kind")), EasedWords(row, screen)));
  }
  for (const Json& row : ArrayAt(declared, "exemptions")) {
    add("exemption", absl::StrCat(ScopeOf(row), " from ", TextAt(row, "activity"), EasedWords(row, screen)));
  }
  if (const std::string unseen = JoinedAt(declared, "not_seen"); !unseen.empty()) {
    add("nobody sees", absl::StrCat(unseen, " (names that exist: ppmm applications, ppmm hosts)"));
  }
  return out;
}

bool DeclaresAnything(const Json& declared) {
  for (const char* const list : {"applications", "hosts", "networks", "maintenance", "exclusions", "exemptions"}) {
    if (!ArrayAt(declared, list).empty()) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string RatedWords(const Json& row) {
  const Json& line_of_business = MemberAt(row, "line_of_business");
  if (!line_of_business.is_boolean()) {
    return "-";
  }
  return line_of_business.get<bool>() ? "yes" : TrueAt(row, "plumbing") ? "plumbing" : "no";
}

std::string MarkedOrigin(const Json& application) {
  return MarkedIf(OriginCountsOtherwise(application), OriginWords(TextAt(application, "origin")));
}

std::string CountsOtherwiseNote(const Json& applications, bool origins_only, const Screen& screen) {
  std::vector<std::string> otherwise;
  for (const Json& row : applications) {
    if (const std::string words = CountsOtherwise(row, origins_only); !words.empty()) {
      otherwise.push_back(absl::StrCat(ShownAs(row), ": ", words));
    }
  }
  if (otherwise.empty()) {
    return "";
  }
  const std::string note =
      absl::StrCat(kMark, " declared, not confirmed. The rating counts ", absl::StrJoin(otherwise, "; "));
  return absl::StrCat(Wrap(note, screen.width, 2, 0), "\n");
}

// A date holds to its end.
std::string EasedWords(const Json& row, const Screen& screen) {
  const std::optional<absl::Time> until = FileTime("%Y-%m-%d", TextAt(row, "until"));
  const bool over = until.has_value() && *until + absl::Hours(24) <= screen.now;
  return absl::StrCat(" until ", TextAt(row, "until"), over ? ", over" : ", not confirmed", ReasonOf(row));
}

std::string ExclusionKindWords(absl::string_view kind) {
  return kind == "not_ours" ? "not ours" : kind == "non_production" ? "non-production" : std::string(kind);
}

std::string RenderInventory(const Json& inventory, const Screen& screen) {
  const Json& applications = ArrayAt(inventory, "applications");
  const auto rated =
      static_cast<std::size_t>(std::count_if(applications.begin(), applications.end(), [](const Json& row) {
        return TrueAt(MemberAt(row, "counted"), "line_of_business");
      }));
  const std::size_t without_agent = ArrayAt(inventory, "hosts_without_agent").size();
  const Json& declared = MemberAt(inventory, "declared");
  const std::string file = TextAt(declared, "declared_by");
  std::string out =
      TrueAt(inventory, "confirmed")
          ? Toned(screen, Tone::kGood, "confirmed")
          : absl::StrCat(Toned(screen, Tone::kWarning, "NOT CONFIRMED"),
                         Wrap(": INV-001 and INV-002 wait for a confirmation, which is not in this release",
                              screen.width, 0, 13));
  absl::StrAppend(
      &out, "\n",
      Wrap(absl::StrCat(TextAt(inventory, "organization"), ": ",
                        HumanCount(static_cast<std::int64_t>(ArrayAt(inventory, "hosts").size()), "host with an agent",
                                   "hosts with an agent"),
                        without_agent == 0 ? "" : absl::StrCat(", ", without_agent, " without"), "; ",
                        HumanCount(static_cast<std::int64_t>(applications.size()), "application", "applications"), ", ",
                        rated, " of them rated"),
           screen.width, 0, 0),
      "\n\n", ApplicationTable(inventory, screen), "\n", HostTable(inventory, screen), "\n");
  if (!DeclaresAnything(declared)) {
    const std::string where = file.empty() ? "inventory.yaml" : file;
    return absl::StrCat(
        out, Wrap(absl::StrCat("Nothing is declared: ", where, " says nothing, or is not there."), screen.width, 0, 0),
        "\n");
  }
  absl::StrAppend(&out,
                  Wrap(absl::StrCat("Declared in ", file,
                                    ". Names and networks act at once; the rest is shown, and "
                                    "counts when it is confirmed."),
                       screen.width, 0, 0),
                  "\n", DeclaredLists(declared, screen));
  return out;
}

}  // namespace ppmm
