#include "collector/origin_guess.h"

namespace ppmm {
namespace {

Origin OriginOf(wire::Origin origin) {
  switch (origin) {
    case wire::ORIGIN_OFF_THE_SHELF:
      return Origin::kOffTheShelf;
    case wire::ORIGIN_IN_HOUSE:
      return Origin::kInHouse;
    default:
      return Origin::kUnknown;
  }
}

}  // namespace

bool OriginGuess::Take(const wire::Instance& instance) {
  const Origin origin = OriginOf(instance.origin_guess());
  const bool knows = origin != Origin::kUnknown;
  if (knows ? confidence_.value_or(-1) >= instance.origin_confidence()
            : origin_ != Origin::kUnknown || !evidence_.empty()) {
    return false;
  }
  origin_ = origin;
  confidence_.reset();
  if (knows) {
    confidence_ = instance.origin_confidence();
  }
  evidence_.clear();
  for (const wire::Evidence& evidence : instance.origin_evidence()) {
    evidence_.push_back(evidence.text());
  }
  return true;
}

absl::string_view OriginName(Origin origin) {
  switch (origin) {
    case Origin::kOffTheShelf:
      return "off_the_shelf";
    case Origin::kInHouse:
      return "in_house";
    case Origin::kUnknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace ppmm
