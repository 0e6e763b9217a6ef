#include "collector/application_list.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"

#include "common/human.h"

namespace ppmm {
namespace {

bool Serves(const ApplicationView& view) {
  const bool called = view.throughput_of == "requests" || view.throughput_of == "connections";
  return view.instances > 0 && (!view.ports.empty() || (called && view.throughput_per_second.value_or(0) > 0));
}

bool IsListed(const ApplicationView& view, absl::Time now) {
  const bool just_ended =
      view.line_of_business.value_or(false) && now - absl::FromUnixSeconds(view.newest_step) <= kListedAfterEnd;
  return !view.declared_by.empty() || Serves(view) || view.use_share >= kListedShare || just_ended;
}

}  // namespace

void OrderForPeople(absl::Time now, ApplicationViews* views) {
  for (ApplicationView& view : views->applications) {
    view.listed = IsListed(view, now);
  }
  const auto order = [](const ApplicationView& view) {
    return std::make_tuple(!view.line_of_business.value_or(false), -view.cpu_cores.value_or(0),
                           -view.resident_memory_bytes.value_or(0));
  };
  std::sort(views->applications.begin(), views->applications.end(),
            [&](const ApplicationView& a, const ApplicationView& b) {
              const auto first = order(a);
              const auto second = order(b);
              return first != second ? first < second : a.key < b.key;
            });
}

std::string NotListedInWords(const ApplicationViews& views) {
  int hidden = 0;
  int rated = 0;
  for (const ApplicationView& view : views.applications) {
    hidden += view.listed ? 0 : 1;
    rated += !view.listed && view.line_of_business.value_or(false) ? 1 : 0;
  }
  if (hidden == 0) {
    return "";
  }
  return absl::StrCat(
      HumanCount(hidden, "more serves nobody, and uses less than ", "more serve nobody, and use less than "),
      HumanPercent(kListedShare), " of a host or ended", rated > 0 ? absl::StrCat("; ", rated, " of them rated") : "");
}

}  // namespace ppmm
