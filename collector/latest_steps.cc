#include "collector/latest_steps.h"

#include <limits>

#include "common/varint.h"

namespace ppmm {
namespace {

constexpr std::size_t kGrowsByDoubling = 60;  // up to this size

std::int64_t Plus(std::int64_t value, std::int64_t difference) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(value) + static_cast<std::uint64_t>(difference));
}
std::uint64_t Difference(std::int64_t value, std::int64_t before) {
  return ZigZag(static_cast<std::int64_t>(static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(before)));
}

// Reads the step after one with that distance and value; false: there is none.
bool ReadNext(ByteReader& reader, std::uint16_t& distance, std::int64_t& value) {
  std::uint64_t number = 0;
  if (!reader.ReadVarint(&number)) {
    return false;
  }
  if (number == 0) {
    reader.ReadVarint(&number);
    distance = static_cast<std::uint16_t>(number);
    reader.ReadVarint(&number);
  }
  value = Plus(value, UnZigZag(number - 1));
  return true;
}

}  // namespace

void LatestSteps::Add(std::int64_t step, std::int64_t value) {
  const std::int64_t distance = step - newest_step_;
  const std::uint64_t difference = Difference(value, newest_value_);
  // The one difference of 64 bits that has no place beside the mark.
  const bool too_large = difference == std::numeric_limits<std::uint64_t>::max();
  if (empty() || distance <= 0 || distance > kLongestGap || too_large) {
    *this = LatestSteps();
    newest_step_ = step;
    oldest_value_ = newest_value_ = value;
    return;
  }
  std::string added;
  if (differences_.empty()) {
    first_distance_ = static_cast<std::uint16_t>(distance);
  } else if (distance != last_distance_) {
    AppendVarint(0, &added);
    AppendVarint(static_cast<std::uint64_t>(distance), &added);
  }
  AppendVarint(difference + 1, &added);
  std::size_t dropped = 0;
  ByteReader reader(differences_);
  while (differences_.size() - dropped + added.size() > kMaxBytes && ReadNext(reader, first_distance_, oldest_value_)) {
    span_ -= first_distance_;
    dropped = differences_.size() - reader.left();
  }
  differences_.erase(0, dropped);
  // Doubling alone would end far above the bound.
  const std::size_t size = differences_.size() + added.size();
  if (size > differences_.capacity() && size > kGrowsByDoubling) {
    differences_.reserve(kMaxBytes);
  }
  differences_ += added;
  newest_step_ = step;
  newest_value_ = value;
  span_ += static_cast<std::uint32_t>(distance);
  last_distance_ = static_cast<std::uint16_t>(distance);
}

void LatestSteps::ForEach(absl::FunctionRef<void(std::int64_t, std::int64_t)> visit) const {
  if (empty()) {
    return;
  }
  std::int64_t step = oldest_step();
  std::int64_t value = oldest_value_;
  std::uint16_t distance = first_distance_;
  visit(step, value);
  ByteReader reader(differences_);
  while (ReadNext(reader, distance, value)) {
    step += distance;
    visit(step, value);
  }
}

}  // namespace ppmm
