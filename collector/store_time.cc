#include "collector/store_time.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "common/human.h"

namespace ppmm {
namespace {

// "no agent is connected that could vouch for the clock", "..."
std::string WhatAgentsSay(std::optional<absl::Duration> median) {
  if (!median.has_value()) {
    return "no agent is heard that could vouch for the clock";
  }
  if (absl::AbsDuration(*median) <= StoreTime::kAgree) {
    return "the agents' clocks agree with it, but not for a minute yet";
  }
  return absl::StrCat("the agents' clocks are ", HumanDuration(absl::AbsDuration(*median)),
                      *median < absl::ZeroDuration() ? " behind" : " ahead of", " the collector's");
}

}  // namespace

bool StoreTime::Agreed(std::optional<absl::Duration> median, absl::Duration since_boot) {
  if (!median.has_value() || absl::AbsDuration(*median) > kAgree) {
    agreed_since_.reset();
    return false;
  }
  agreed_since_ = agreed_since_.value_or(since_boot);
  return since_boot - *agreed_since_ >= kPatience;
}

absl::Time StoreTime::Advance(absl::Time wall, absl::Duration since_boot) {
  const bool accepted = std::exchange(accepted_, false);
  const absl::Duration passed = std::max(since_boot - moved_at_.value_or(since_boot), absl::ZeroDuration());
  const absl::Duration ahead = wall - (time_ + passed);
  const absl::Duration behind = time_ - wall;
  const bool doubtful = is_new_ || ahead > kJump || behind > kJump;
  fell_ = false;
  waiting_ = false;
  reason_.clear();
  if (doubtful) {
    const std::optional<absl::Duration> median = agents_ == nullptr ? std::nullopt : agents_->Median(wall, since_boot);
    waiting_ = !Agreed(median, since_boot) && !accepted;
    if (waiting_ && !is_new_) {
      reason_ = absl::StrCat("the clock is ", HumanDuration(absl::AbsDuration(wall - time_)),
                             ahead > kJump ? " ahead of" : " behind", " the store's time, and ", WhatAgentsSay(median));
    } else if (waiting_ && median.has_value() && absl::AbsDuration(*median) > kAgree) {
      reason_ = WhatAgentsSay(median);
    }
  } else {
    agreed_since_.reset();
  }
  if (!is_new_ && waiting_) {
    return time_;
  }
  fell_ = !is_new_ && behind > kJump;
  time_ = is_new_ || fell_ ? wall : std::max(time_, wall);
  moved_at_ = since_boot;
  is_new_ = waiting_;
  return time_;
}

}  // namespace ppmm
