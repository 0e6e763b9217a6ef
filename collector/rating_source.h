// Where the views take the rating from, as plain values and finished texts; so they do not know how it is made.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ppmm {

struct PageData;

// One evaluation. Immutable.
struct RatingSnapshot {
  int level = 1;
  int sublevel = 0;  // 1 to 3 while level is 2
  int provisional_level = 1;
  int provisional_sublevel = 0;
  std::int64_t provisional_minutes = 0;  // full minutes behind it
  bool watch = false;

  struct Progress {
    std::string target;  // "2.1"
    double low = 0;      // 0 to 1
    double high = 0;
  };
  std::vector<Progress> progress;

  struct Activity {
    std::string id;
    std::string status;      // one of kActivityStatuses
    double achievement = 0;  // 0 to 1
  };
  std::vector<Activity> activities;

  struct Application {
    int tier = 2;
    bool line_of_business = false;
  };
  std::map<std::uint32_t, Application> applications;  // by number, as rated
  std::vector<std::string> hosts_without_agent;       // addresses that monitored hosts call

  // Bodies of the API.
  std::string rating_json;
  std::string activities_json;
  std::string next_steps_json;
  // Errors: NotFound names the ids that exist.
  std::function<absl::StatusOr<std::string>(absl::string_view id)> activity_json;
  // Sets what the page says of the rating.
  std::function<void(PageData* page)> fill_page;
};

inline constexpr absl::string_view kActivityStatuses[] = {"satisfied", "not_satisfied", "undecided",
                                                          "no_source", "contradicted",  "not_applicable"};

// Thread-safe.
class RatingSource {
 public:
  virtual ~RatingSource() = default;
  // Errors: Unavailable: nothing was evaluated yet; the text says when.
  virtual absl::StatusOr<std::shared_ptr<const RatingSnapshot>> Current() const = 0;
};

}  // namespace ppmm
