#include "collector/web/page.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "openssl/sha.h"

#include "collector/http/html.h"
#include "collector/web/style.h"
#include "common/human.h"

namespace ppmm {
namespace {

using http::HtmlWriter;

constexpr std::array<absl::string_view, 7> kStages = {"requirements", "design", "implementation", "test", "release",
                                                      "operate",      "plan"};

struct Status {
  absl::string_view key;
  absl::string_view words;
};
constexpr std::array<Status, 7> kStatuses = {{{"satisfied", "satisfied"},
                                              {"not_satisfied", "fails"},
                                              {"undecided", "waits for time"},
                                              {"no_source", "no source"},
                                              {"contradicted", "contradicted"},
                                              {"not_applicable", "does not apply"},
                                              {"exempt", "exempt"}}};

// Drawn once, referred to by every use. Each state has a shape of its own.
constexpr http::Markup kShapes(
    "<svg width=\"0\" height=\"0\" class=\"vh\" aria-hidden=\"true\"><defs>"
    "<pattern id=\"hatch\" class=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\"/><path d=\"M1 0v6\"/></pattern>"
    "<symbol id=\"i-satisfied\" viewBox=\"0 0 16 16\"><path d=\"M3 8.5l3.3 3.5L13 4.5\"/></symbol>"
    "<symbol id=\"i-not_satisfied\" viewBox=\"0 0 16 16\"><path d=\"M4 4l8 8M12 4l-8 8\"/></symbol>"
    "<symbol id=\"i-undecided\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"6\"/><path d=\"M8 4.5V8l2.5 "
    "1.5\"/></symbol>"
    "<symbol id=\"i-no_source\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"5.5\" stroke-dasharray=\"2 "
    "3.2\"/></symbol>"
    "<symbol id=\"i-contradicted\" viewBox=\"0 0 16 16\"><path d=\"M8 2.5L14.5 13.5h-13zM8 7v2.6M8 "
    "11.6v.1\"/></symbol>"
    "<symbol id=\"i-not_applicable\" viewBox=\"0 0 16 16\"><path d=\"M3.5 8h9\"/></symbol>"
    "<symbol id=\"i-exempt\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"5.5\"/><path d=\"M4.2 11.8l7.6-7.6\"/>"
    "</symbol></defs></svg>\n");

const Status& StatusOf(absl::string_view key) {
  for (const Status& status : kStatuses) {
    if (status.key == key) {
      return status;
    }
  }
  return kStatuses[3];  // what we do not know is no source
}

std::string Day(absl::Time time, absl::TimeZone zone) {
  return absl::FormatTime("%-d %b %Y", time, zone);
}
std::string Moment(absl::Time time, absl::TimeZone zone) {
  return absl::FormatTime("%-d %b %Y %H:%M %Z", time, zone);
}

// "-" and, below it, the reason.
void Unknown(HtmlWriter& html, absl::string_view reason) {
  html.Raw("<span class=\"none\">\u2013</span>");
  if (!reason.empty()) {
    html.Raw("<small>").Text(reason, 120).Raw("</small>");
  }
}

template <class Format>
void NumberCell(HtmlWriter& html, const std::optional<double>& value, Format format, absl::string_view reason) {
  html.Raw("<td class=\"num\">");
  if (value) {
    html.Text(format(*value));
  } else {
    Unknown(html, reason);
  }
  html.Raw("</td>");
}

void MoreRows(HtmlWriter& html, size_t shown, size_t total, http::Markup what, http::Markup address) {
  if (total > shown) {
    html.Raw("<p class=\"note\">").Text(HumanNumber(static_cast<double>(total - shown))).Raw(" more ").Raw(what);
    html.Raw(": <a href=\"").Raw(address).Raw("\">").Raw(address).Raw("</a></p>\n");
  }
}

// ---- the answer

void RenderLevels(HtmlWriter& html, const PageData& data) {
  html.Raw("<section id=\"rating\" aria-label=\"Rating\">\n<div class=\"levels\">\n");
  html.Raw("<div class=\"card level now\"><div class=\"big\">");
  html.Text(data.published.empty() ? "\u2013" : data.published, 4);
  html.Raw("</div><h3>Published level</h3><p class=\"what\">");
  html.Text(data.published.empty() ? "not rated yet" : data.label, 160).Raw("</p><p class=\"more\">");
  if (data.published.empty()) {
    html.Text(data.rating_reason, 200);
  } else if (data.held_since) {
    html.Raw("held since ").Text(Day(*data.held_since, data.time_zone));
  } else {
    html.Raw("proven over whole windows, day by day");
  }
  html.Raw("</p></div>\n<div class=\"card level soon\"><div class=\"big\">");
  // Before the first full minute there is a label, and nothing to rate.
  const bool observed = !data.provisional.empty() && data.provisional_minutes.value_or(1) > 0;
  html.Text(observed ? data.provisional : "\u2013", 4);
  html.Raw("</div><h3>Provisional: today\u2019s evidence, if it holds</h3><p class=\"what\">");
  html.Text(data.provisional.empty() ? "nothing can be said yet" : data.provisional_label, 160);
  html.Raw("</p><p class=\"more\">");
  if (data.provisional.empty()) {
    html.Text(data.rating_reason, 200);
  }
  html.Raw("</p></div>\n</div>\n");
  if (data.watch) {
    html.Raw("<p class=\"card watch\"><strong>Watch:</strong> the published level is in danger. ");
    html.Text(data.watch_reason, 300).Raw("</p>\n");
  }
}

void RenderTroubles(HtmlWriter& html, const PageData& data) {
  for (const PageData::Trouble& trouble : data.troubles) {
    html.Raw("<p class=\"card watch\"><strong>This collector, ").Text(trouble.part, 40).Raw(":</strong> ");
    html.Text(trouble.what, 600);
    if (!trouble.cure.empty()) {
      html.Raw("; ").Text(trouble.cure, 300);
    }
    html.Raw("</p>\n");
  }
}

std::string Percent(double ratio) {
  return absl::StrFormat("%.1f%%", 100 * std::clamp(ratio, 0.0, 1.0));
}

// "78-92 %", "61 %".
std::string Interval(double low, double high) {
  const std::string from = HumanPercent(low);
  const std::string to = HumanPercent(high);
  return from == to ? to : absl::StrCat(from.substr(0, from.size() - 2), "\u2013", to);
}

void RenderLadder(HtmlWriter& html, const PageData& data) {
  html.Raw("<h2 class=\"vh\">Progress, rung by rung</h2>\n<ol class=\"card ladder\">\n");
  for (const PageData::Rung& rung : data.ladder) {
    html.Raw("<li><span class=\"no\">").Text(rung.rung, 4).Raw("</span><span class=\"t\">").Text(rung.title, 120);
    if (rung.rung == data.published) {
      html.Raw(" <span class=\"tag\">published</span>");
    }
    if (rung.rung == data.provisional) {
      html.Raw(" <span class=\"tag soon\">provisional</span>");
    }
    html.Raw("</span>");
    const double low = std::clamp(rung.low.value_or(0), 0.0, 1.0);
    const double high = std::clamp(rung.high.value_or(low), low, 1.0);
    html.Raw("<svg class=\"bar\" aria-hidden=\"true\"><rect class=\"track\" width=\"100%\" height=\"100%\"/>");
    if (rung.high && high > low) {
      html.Raw("<rect class=\"may\" width=\"").Text(Percent(high)).Raw("\" height=\"100%\"/>");
    }
    if (rung.low && low > 0) {
      html.Raw("<rect class=\"low\" width=\"").Text(Percent(low)).Raw("\" height=\"100%\"/>");
    }
    html.Raw("</svg><span class=\"pc\">");
    if (rung.low && rung.high) {
      html.Text(Interval(low, high));
    } else {
      Unknown(html, rung.reason);
    }
    html.Raw("</span></li>\n");
  }
  html.Raw("</ol>\n<p class=\"note\">Solid is proven; hatched may still become true as time passes. ");
  if (data.evaluated_at) {
    html.Raw("Evaluated ").Text(HumanAge(*data.evaluated_at, data.now)).Raw(". ");
  }
  html.Raw("<a href=\"/api/v1/rating\">The rating with its evidence</a></p>\n</section>\n");
}

// ---- what to do

void RenderBlockers(HtmlWriter& html, const PageData& data) {
  html.Raw("<section id=\"next\">\n<h2>What stops you</h2>\n");
  if (data.blockers.empty()) {
    html.Raw("<p class=\"card empty\">");
    html.Raw(data.published.empty() ? http::Markup("Nothing is known yet.") : http::Markup("Nothing but time."))
        .Raw("</p>\n");
  } else {
    std::vector<absl::string_view> roles;
    for (const PageData::Blocker& blocker : data.blockers) {
      if (std::find(roles.begin(), roles.end(), blocker.role) == roles.end()) {
        roles.push_back(blocker.role);
      }
    }
    html.Raw(
        "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"What stops you\"><table "
        "class=\"acts\">\n<thead><tr><th scope=\"col\">Activity</th><th scope=\"col\">What is missing</th><th "
        "scope=\"col\" class=\"num\">Work</th><th scope=\"col\">How</th></tr></thead>\n");
    size_t rows = 0;
    for (const absl::string_view role : roles) {
      int acts = 0;
      double minutes = 0;
      for (const PageData::Blocker& blocker : data.blockers) {
        if (blocker.role == role) {
          ++acts;
          minutes += blocker.minutes_of_work.value_or(0);
        }
      }
      html.Raw("<tbody class=\"block\"><tr class=\"group\"><th colspan=\"4\" scope=\"rowgroup\">").Text(role, 40);
      html.Raw(" <span>").Text(HumanCount(acts, "act"));
      if (minutes > 0) {
        html.Raw(", ").Text(HumanWork(minutes));
      }
      html.Raw("</span></th></tr>\n");
      for (const PageData::Blocker& blocker : data.blockers) {
        if (blocker.role != role || rows++ >= kMaxPageRows) {
          continue;
        }
        html.Raw("<tr><th scope=\"row\" class=\"keep\"><a href=\"/api/v1/activities/").UrlPart(blocker.activity);
        html.Raw("\">").Text(blocker.activity, 24).Raw("</a></th><td class=\"wide does\">").Text(blocker.what, 300);
        html.Raw("</td><td class=\"num\">");
        if (blocker.minutes_of_work) {
          html.Text(HumanWork(*blocker.minutes_of_work));
        } else {
          Unknown(html, "");
        }
        html.Raw("</td><td class=\"how\">");
        if (!blocker.command.empty()) {
          html.Raw("<code class=\"cmd\">").Text(blocker.command, 160).Raw("</code>");
        } else {
          html.Text(blocker.cure, 160);
        }
        html.Raw("</td></tr>\n");
      }
      html.Raw("</tbody>\n");
    }
    html.Raw("</table></div>\n");
  }
  if (data.waiting > 0) {
    html.Raw("<p class=\"note\">").Text(HumanCount(data.waiting, "activity waits", "activities wait"));
    html.Raw(" for time only");
    if (data.waiting_until) {
      html.Raw(", the last until ").Text(Day(*data.waiting_until, data.time_zone));
    }
    html.Raw(".</p>\n");
  }
  if (!data.after_next.empty()) {
    html.Raw("<p class=\"note\">").Text(data.after_next, 300).Raw(".</p>\n");
  }
  html.Raw("</section>\n");
}

// ---- what is measured

void RenderOrigin(HtmlWriter& html, const PageData::Application& application) {
  html.Raw("<td class=\"keep\">");
  if (application.origin == "off_the_shelf") {
    html.Raw("off the shelf");
  } else if (application.origin == "in_house") {
    html.Raw("in-house");
  } else {
    html.Raw("<span class=\"none\">unknown</span>");
  }
  if (application.confirmed) {
    html.Raw("<small>confirmed</small>");
  } else if (application.declared) {
    html.Raw("<small>declared, not confirmed</small>");
  }
  html.Raw("</td>");
}

void RenderThroughput(HtmlWriter& html, const PageData::Application& application) {
  html.Raw("<td class=\"num\">");
  if (!application.throughput_per_second || application.throughput_of == "none") {
    Unknown(html, application.throughput_reason);
  } else if (application.throughput_of == "bytes") {
    html.Text(HumanBytes(*application.throughput_per_second)).Raw("/s");
  } else {
    html.Raw(application.throughput_at_least ? http::Markup("\u2265") : http::Markup(""));
    html.Text(HumanNumber(*application.throughput_per_second)).Raw("<span class=\"of\">");
    html.Text(application.throughput_of, 24).Raw("/s</span>");
  }
  html.Raw("</td>");
}

bool HasResponseTime(const PageData::Application& application) {
  return application.p50_seconds || application.p95_seconds || application.p99_seconds;
}

// Why no application has a response time, if it is the same for all: then it is said once, not in each row.
absl::string_view SharedReason(const std::vector<PageData::Application>& applications) {
  const std::string& reason = applications.front().response_time_reason;
  const bool shared = std::all_of(applications.begin(), applications.end(), [&](const PageData::Application& other) {
    return !HasResponseTime(other) && other.response_time_reason == reason;
  });
  return shared ? absl::string_view(reason) : absl::string_view();
}

void RenderResponseTime(HtmlWriter& html, const PageData::Application& application, bool with_reason) {
  if (!HasResponseTime(application)) {
    html.Raw("<td class=\"num\" colspan=\"3\">");
    Unknown(html, with_reason ? absl::string_view(application.response_time_reason) : absl::string_view());
    html.Raw("</td>");
    return;
  }
  for (const auto& quantile : {application.p50_seconds, application.p95_seconds, application.p99_seconds}) {
    NumberCell(html, quantile, HumanSeconds, "");
  }
}

void RenderHostList(HtmlWriter& html, const std::vector<std::string>& hosts) {
  constexpr size_t kShown = 2;
  html.Raw("<td class=\"mid\">");
  for (size_t i = 0; i < std::min(hosts.size(), kShown); ++i) {
    html.Raw(i > 0 ? http::Markup(", ") : http::Markup("")).Name(hosts[i], 24);
  }
  if (hosts.empty()) {
    Unknown(html, "");
  } else if (hosts.size() > kShown) {
    html.Raw("<small>and ").Text(HumanNumber(static_cast<double>(hosts.size() - kShown))).Raw(" more</small>");
  }
  html.Raw("</td>");
}

void RenderApplications(HtmlWriter& html, const PageData& data) {
  html.Raw(
      "<section id=\"applications\">\n<h2>Applications</h2>\n<p class=\"note\">Rates and response times of the last ");
  html.Text(HumanSeconds(data.window_seconds)).Raw(".");
  const absl::string_view shared_reason =
      data.applications.empty() ? absl::string_view() : SharedReason(data.applications);
  if (!shared_reason.empty()) {
    html.Raw(" \u2013: ").Text(shared_reason, 120).Raw(".");
  }
  if (std::any_of(data.applications.begin(), data.applications.end(),
                  [](const PageData::Application& application) { return application.throughput_at_least; })) {
    html.Raw(
        " \u2265: at least; what is asked over pipelined or multiplexed connections is neither counted nor timed.");
  }
  html.Raw("</p>\n");
  if (data.applications.empty()) {
    html.Raw("<p class=\"card empty\">");
    if (data.applications_not_listed.empty()) {
      html.Raw("No application is known yet. ").Text(data.applications_reason, 300);
    } else {
      html.Raw("None serves or uses much yet.");
    }
    html.Raw("</p>\n");
  } else {
    html.Raw(
        "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Applications\"><table "
        "class=\"list\">\n<thead><tr><th scope=\"col\" rowspan=\"2\">Application</th><th scope=\"col\" "
        "rowspan=\"2\">Origin</th><th scope=\"col\" rowspan=\"2\" class=\"num\">Throughput</th><th scope=\"colgroup\" "
        "colspan=\"3\" class=\"over\">Response time</th><th scope=\"col\" rowspan=\"2\" class=\"num\">CPU<br>cores</th>"
        "<th scope=\"col\" rowspan=\"2\" class=\"num\">Memory</th><th scope=\"col\" rowspan=\"2\">Hosts</th><th "
        "scope=\"col\" rowspan=\"2\">Evidence of origin</th></tr>\n<tr><th scope=\"col\" class=\"num\">p50</th><th "
        "scope=\"col\" class=\"num\">p95</th><th scope=\"col\" class=\"num\">p99</th></tr></thead>\n<tbody>\n");
    const size_t shown = std::min(data.applications.size(), kMaxPageRows);
    for (size_t i = 0; i < shown; ++i) {
      const PageData::Application& application = data.applications[i];
      html.Raw("<tr><th scope=\"row\" class=\"name\">").Name(application.name).Raw("</th>");
      RenderOrigin(html, application);
      RenderThroughput(html, application);
      RenderResponseTime(html, application, shared_reason.empty());
      NumberCell(html, application.cpu_cores, HumanCores, application.usage_reason);
      NumberCell(html, application.resident_memory_bytes, HumanBytes, application.usage_reason);
      RenderHostList(html, application.hosts);
      html.Raw("<td class=\"wide\">");
      if (application.evidence.empty()) {
        Unknown(html, "");
      } else {
        html.Name(application.evidence, 90);
      }
      html.Raw("</td></tr>\n");
    }
    html.Raw("</tbody></table></div>\n");
    MoreRows(html, shown, std::max(data.applications_total, data.applications.size()), "applications",
             "/api/v1/applications");
  }
  if (!data.applications_not_listed.empty()) {
    html.Raw("<p class=\"note\">").Text(data.applications_not_listed, 200).Raw(". ");
    html.Raw(data.all_applications ? http::Markup("They are shown, too: <a href=\"/#applications\">leave them out</a>")
                                   : http::Markup("<a href=\"/?all=1#applications\">Show all</a>"))
        .Raw("</p>\n");
  }
  html.Raw("</section>\n");
}

// "0.62 of 4", "3.1 GiB of 7.6 GiB".
template <class Format>
void ShareCell(HtmlWriter& html, const std::optional<double>& used, const std::optional<double>& all, Format format,
               absl::string_view reason) {
  html.Raw("<td class=\"num\">");
  if (!used) {
    Unknown(html, reason);
  } else {
    html.Text(format(*used));
    if (all) {
      html.Raw("<span class=\"of\">of ").Text(format(*all)).Raw("</span>");
    }
  }
  html.Raw("</td>");
}

void RenderHosts(HtmlWriter& html, const PageData& data) {
  html.Raw("<section id=\"hosts\">\n<h2>Hosts</h2>\n");
  if (data.hosts.empty()) {
    html.Raw("<p class=\"card empty\">No host is known yet. ").Text(data.hosts_reason, 300).Raw("</p>\n</section>\n");
    return;
  }
  html.Raw(
      "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Hosts\"><table class=\"list\">\n<thead>"
      "<tr><th scope=\"col\">Host</th><th scope=\"col\">State</th><th scope=\"col\" class=\"num\">CPU cores</th><th "
      "scope=\"col\" class=\"num\">Memory</th><th scope=\"col\">Runs out</th><th "
      "scope=\"col\">Capture</th><th scope=\"col\">Last seen</th></tr></thead>\n<tbody>\n");
  const size_t shown = std::min(data.hosts.size(), kMaxPageRows);
  for (size_t i = 0; i < shown; ++i) {
    const PageData::Host& host = data.hosts[i];
    html.Raw("<tr><th scope=\"row\" class=\"name\">").Name(host.label).Raw("</th><td class=\"keep\"><span class=\"");
    html.Raw(host.state == "live" ? http::Markup("live") : http::Markup("out"));
    html.Raw("\"><span class=\"dot\"></span>").Text(host.state.empty() ? "unknown" : host.state, 24);
    html.Raw("</span></td>");
    ShareCell(
        html, host.cpu_used_cores, host.cpu_cores,
        [](double cores) { return std::floor(cores) == cores ? HumanNumber(cores) : HumanCores(cores); },
        host.usage_reason);
    ShareCell(html, host.memory_used_bytes, host.memory_bytes, HumanBytes, host.usage_reason);
    html.Raw("<td>");
    if (host.exhaustion.empty()) {
      Unknown(html, "");
    } else {
      html.Text(host.exhaustion, 60);
    }
    html.Raw("</td><td class=\"wide\">");
    if (host.capture.empty()) {
      Unknown(html, host.capture_reason);
    } else {
      html.Text(host.capture, 60);
      if (!host.capture_reason.empty()) {
        html.Raw("<small>").Text(host.capture_reason, 120).Raw("</small>");
      }
    }
    html.Raw("</td><td class=\"keep\">");
    if (host.last_seen) {
      html.Raw("<time datetime=\"").Text(absl::FormatTime(absl::RFC3339_sec, *host.last_seen, absl::UTCTimeZone()));
      html.Raw("\">").Text(HumanAge(*host.last_seen, data.now)).Raw("</time>");
    } else {
      Unknown(html, "never");
    }
    html.Raw("</td></tr>\n");
  }
  html.Raw("</tbody></table></div>\n");
  MoreRows(html, shown, std::max(data.hosts_total, data.hosts.size()), "hosts", "/api/v1/hosts");
  html.Raw("</section>\n");
}

void RenderDeclarations(HtmlWriter& html, const PageData& data) {
  if (data.declarations.empty()) {
    return;
  }
  html.Raw("<section id=\"declared\">\n<h2>What people declare</h2>\n<p class=\"note\">Said in ");
  html.Name(data.declared_by, 120);
  html.Raw(
      ", not confirmed. Names and networks act at once; the rest is shown, and counts when it is confirmed, which "
      "comes with a later release.</p>\n<div class=\"card scroll\" tabindex=\"0\" role=\"region\" "
      "aria-label=\"What people declare\"><table class=\"list\">\n<thead><tr><th scope=\"col\">Of</th><th "
      "scope=\"col\">Declared</th><th scope=\"col\">The rating uses</th></tr></thead>\n<tbody>\n");
  const size_t shown = std::min(data.declarations.size(), kMaxPageRows);
  for (size_t i = 0; i < shown; ++i) {
    const PageData::Declaration& one = data.declarations[i];
    html.Raw("<tr><th scope=\"row\" class=\"name\">").Name(one.about).Raw("</th><td class=\"wide\">");
    html.Name(one.said, 200).Raw("</td><td class=\"mid\">");
    html.Text(one.counted.empty() ? "the same" : one.counted, 120).Raw("</td></tr>\n");
  }
  html.Raw("</tbody></table></div>\n");
  MoreRows(html, shown, data.declarations.size(), "declarations", "/api/v1/inventory");
  html.Raw("</section>\n");
}

// ---- all activities

void RenderIcon(HtmlWriter& html, const Status& status) {
  html.Raw("<svg class=\"ic\" aria-hidden=\"true\"><use href=\"#i-").Text(status.key).Raw("\"/></svg>");
}

void RenderActivity(HtmlWriter& html, const PageData& data, const PageData::Activity& activity) {
  const Status& status = StatusOf(activity.status);
  html.Raw("<li><a class=\"chip ").Text(status.key).Raw(activity.gating ? http::Markup(" gate") : http::Markup(""));
  html.Raw("\" href=\"/api/v1/activities/").UrlPart(activity.id).Raw("\" title=\"").Text(activity.title, 160);
  html.Raw(": ").Text(status.words);
  if (activity.decidable_at) {
    html.Raw(" until ").Text(Day(*activity.decidable_at, data.time_zone));
  }
  if (!activity.reason.empty()) {
    html.Raw(" (").Text(activity.reason, 200).Raw(")");
  }
  html.Raw("\">");
  RenderIcon(html, status);
  html.Text(activity.id, 16).Raw("<span class=\"vh\"> ").Text(status.words).Raw("</span>");
  if (activity.achievement && *activity.achievement > 0 && *activity.achievement < 1) {
    html.Raw("<span class=\"pc\">").Text(HumanPercent(*activity.achievement)).Raw("</span>");
  }
  html.Raw("</a></li>");
}

void RenderActivities(HtmlWriter& html, const PageData& data) {
  if (data.activities.empty()) {
    return;
  }
  html.Raw(
      "<section id=\"activities\">\n<h2>Activities</h2>\n<p class=\"note\">Every activity of the catalogue, by level "
      "and "
      "stage of the life-cycle. Each leads to its evidence.</p>\n<div class=\"card scroll grid\" tabindex=\"0\" "
      "role=\"region\" aria-label=\"Activities by level and stage\"><table>\n<thead><tr><th scope=\"col\">Level</th>");
  for (const absl::string_view stage : kStages) {
    html.Raw("<th scope=\"col\">").Text(stage).Raw("</th>");
  }
  html.Raw("</tr></thead>\n<tbody>\n");
  std::vector<absl::string_view> levels;
  for (const PageData::Activity& activity : data.activities) {
    if (std::find(levels.begin(), levels.end(), activity.level) == levels.end()) {
      levels.push_back(activity.level);
    }
  }
  for (const absl::string_view level : levels) {
    int satisfied = 0;
    int all = 0;
    for (const PageData::Activity& activity : data.activities) {
      if (activity.level == level) {
        ++all;
        satisfied += activity.status == "satisfied" ? 1 : 0;
      }
    }
    html.Raw("<tr><th scope=\"row\">").Text(level, 8).Raw("<small>").Text(absl::StrCat(satisfied, " of ", all));
    html.Raw(" satisfied</small></th>");
    for (const absl::string_view stage : kStages) {
      const auto here = [&](const PageData::Activity& activity) {
        return activity.level == level && activity.stage == stage;
      };
      if (std::none_of(data.activities.begin(), data.activities.end(), here)) {
        html.Raw("<td class=\"no\"></td>");
        continue;
      }
      html.Raw("<td data-stage=\"").Text(stage).Raw("\"><ul class=\"chips\">");
      for (const PageData::Activity& activity : data.activities) {
        if (here(activity)) {
          RenderActivity(html, data, activity);
        }
      }
      html.Raw("</ul></td>");
    }
    html.Raw("</tr>\n");
  }
  html.Raw("</tbody></table></div>\n<ul class=\"legend\">");
  for (const Status& status : kStatuses) {
    html.Raw("<li class=\"chip ").Text(status.key).Raw("\">");
    RenderIcon(html, status);
    html.Text(status.words).Raw("</li>");
  }
  html.Raw("<li><strong>Bold</strong>: a gate, needed for its level</li></ul>\n</section>\n");
}

void RenderFoot(HtmlWriter& html, const PageData& data) {
  html.Raw("<footer class=\"bottom\"><div class=\"wrap foot\"><p>As of ")
      .Text(Moment(data.now, data.time_zone))
      .Raw("</p><p>The same as data: ");
  constexpr std::array<http::Markup, 9> kLinks = {"<a href=\"/api/v1/rating\">rating</a>",
                                                  "<a href=\"/api/v1/next-steps\">next steps</a>",
                                                  "<a href=\"/api/v1/activities\">activities</a>",
                                                  "<a href=\"/api/v1/applications\">applications</a>",
                                                  "<a href=\"/api/v1/dependencies\">dependencies</a>",
                                                  "<a href=\"/api/v1/releases\">releases</a>",
                                                  "<a href=\"/api/v1/hosts\">hosts</a>",
                                                  "<a href=\"/api/v1/status\">status</a>",
                                                  "<a href=\"/metrics\">metrics</a>"};
  for (const http::Markup& link : kLinks) {
    html.Raw(link);
  }
  html.Raw("</p><p>ppmm ").Text(data.version, 40).Raw(", Performance Process Maturity Monitor</p></div></footer>\n");
}

}  // namespace

std::string RenderPage(const PageData& data) {
  HtmlWriter html;
  html.Raw(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n<title>");
  html.Text(data.organization.empty() ? "ppmm" : data.organization, 80);
  html.Raw(": ").Text(data.published.empty() ? "not rated yet" : absl::StrCat("level ", data.published), 20);
  // The icon: three rungs. A data address, so that browsers don't ask for /favicon.ico.
  html.Raw(
      "</title>\n<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 "
      "16 "
      "16'%3E%3Cpath fill='%230d6b62' d='M1 11h4v4H1zM6 6h4v9H6zM11 1h4v14h-4z'/%3E%3C/svg%3E\">\n<style>");
  html.Raw(kPageStyle)
      .Raw("</style></head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the rating</a>\n")
      .Raw(kShapes);
  html.Raw("<header class=\"top\"><div class=\"wrap\"><span class=\"brand\">ppmm</span><h1>");
  html.Name(data.organization.empty() ? "This organization" : data.organization, 80);
  html.Raw(
      "</h1><nav aria-label=\"Sections\"><a href=\"#rating\">Rating</a><a href=\"#next\">What stops you</a><a "
      "href=\"#applications\">Applications</a><a href=\"#hosts\">Hosts</a>");
  if (!data.activities.empty()) {
    html.Raw("<a href=\"#activities\">Activities</a>");
  }
  html.Raw("</nav></div></header>\n<main id=\"main\" class=\"wrap\">\n");
  RenderTroubles(html, data);
  RenderLevels(html, data);
  RenderLadder(html, data);
  RenderBlockers(html, data);
  RenderApplications(html, data);
  RenderHosts(html, data);
  RenderDeclarations(html, data);
  RenderActivities(html, data);
  html.Raw("</main>\n");
  RenderFoot(html, data);
  html.Raw("</body></html>\n");
  return html.Take();
}

http::Response PageResponse(const PageData& data) {
  static const std::string policy = [] {
    const absl::string_view style = kPageStyle.text();
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
    SHA256(reinterpret_cast<const unsigned char*>(style.data()), style.size(), digest.data());
    const absl::string_view bytes(reinterpret_cast<const char*>(digest.data()), digest.size());
    return absl::StrCat("default-src 'none'; style-src 'sha256-", absl::Base64Escape(bytes),
                        "'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  }();
  http::Response response = http::HtmlResponse(RenderPage(data));
  response.headers.emplace_back("Content-Security-Policy", policy);
  return response;
}

}  // namespace ppmm
