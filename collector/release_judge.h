// Compares each release with what ran before it, once an hour of it is over and again after a day, and keeps what it
// found when it found it: a verdict is never changed, so that its time proves when it was there (REL-002).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "collector/releases.h"
#include "collector/store/store.h"

namespace ppmm {

inline constexpr std::int64_t kHourCompared = 60;  // minutes
inline constexpr std::int64_t kDayCompared = 1440;
// From the release to its verdict: what REL-002 asks.
inline constexpr std::int64_t kHourVerdictWithinUs = 90LL * 60'000'000;
inline constexpr std::int64_t kDayVerdictWithinUs = 25LL * 60 * 60'000'000;
inline constexpr char kTooFewSamples[] = "too few samples";

// What one minute of an application adds to a side, and how much its minutes differ.
class ReleaseSample {
 public:
  void Add(const ApplicationMinuteRow& row);
  const ReleaseVerdictRow::Side& side() const { return side_; }

 private:
  friend std::string VerdictOf(const ReleaseSample& before, const ReleaseSample& after);
  struct Ratio {
    double of = 0;     // summed
    double unit = 0;   // summed
    double of_of = 0;  // sums of products
    double of_unit = 0;
    double unit_unit = 0;
    void Add(std::int64_t minute_of, std::int64_t minute_unit);
    double value() const { return of / unit; }
    // Of value(), by how the minutes scatter around it.
    double variance() const;
  };
  static bool Rose(const Ratio& before, const Ratio& after, double factor);
  static bool ErrorsRose(const ReleaseVerdictRow::Side& before, const ReleaseVerdictRow::Side& after);

  ReleaseVerdictRow::Side side_;
  Ratio response_;
  Ratio cpu_;
};

// "too few samples" (fewer than 59 requests on a side), "no worse", or "worse: response time, errors, CPU a request"
// with those that are: risen by more than a tenth (errors: by more than one request in a hundred) and by more than
// three standard errors.
//
// Source: ratio estimator with the minutes as clusters, Cochran, Sampling Techniques, 3rd ed., 6.4; difference of two
// proportions. Minutes are not independent, so three standard errors stand for what two would be with independent ones.
std::string VerdictOf(const ReleaseSample& before, const ReleaseSample& after);

// One thread: the writer's, between its commits.
class ReleaseJudge {
 public:
  static constexpr absl::Duration kEvery = absl::Minutes(5);
  // Releases judged at a time; a day of minutes is some 5 ms.
  static constexpr std::size_t kSlice = 8;
  // What came in the last minutes is still on its way.
  static constexpr std::int64_t kGraceMinutes = 3;

  explicit ReleaseJudge(Store* store) : store_(store) {}

  // Writes the verdicts that are due. Errors: those of the store; what was not done is due again.
  absl::Status Slice(absl::Time store_time);

 private:
  absl::StatusOr<ReleaseSample> Sum(ApplicationId application, std::int64_t from, std::int64_t to);

  Store* const store_;
  absl::Time next_ = absl::InfinitePast();
};

}  // namespace ppmm
