// Which guess of the agents counts for an application: the one place that decides it, for the rating, the API and
// /metrics alike. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "collector/facts/facts.h"
#include "proto/telemetry.pb.h"

namespace ppmm {

// The surest guess of the instances taken; of equally sure ones the first. One that does not know counts only while no
// other is there, for its evidence.
class OriginGuess {
 public:
  // True: it is the one that counts now.
  bool Take(const wire::Instance& instance);

  Origin origin() const { return origin_; }
  // Nothing while the origin is unknown.
  const std::optional<double>& confidence() const { return confidence_; }
  const std::vector<std::string>& evidence() const { return evidence_; }  // strongest first

 private:
  Origin origin_ = Origin::kUnknown;
  std::optional<double> confidence_;
  std::vector<std::string> evidence_;
};

// "off_the_shelf", "in_house", "unknown": as labels, JSON and configuration have it.
absl::string_view OriginName(Origin origin);

}  // namespace ppmm
