#include "collector/latest_steps.h"

#include "common/varint.h"

namespace ppmm {
namespace {

constexpr std::size_t kGrowsByDoubling = 60;  // up to this size

std::int64_t Plus(std::int64_t value, std::int64_t difference) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(value) + static_cast<std::uint64_t>(difference));
}

}  // namespace

void LatestSteps::Add(std::int64_t step, std::int64_t value) {
  if (empty() || step <= newest_step_) {
    differences_.clear();
    oldest_step_ = newest_step_ = step;
    oldest_value_ = newest_value_ = value;
    return;
  }
  std::string added;
  AppendVarint(static_cast<std::uint64_t>(step - newest_step_), &added);
  AppendVarint(
      ZigZag(static_cast<std::int64_t>(static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(newest_value_))),
      &added);
  newest_step_ = step;
  newest_value_ = value;
  std::size_t dropped = 0;
  ByteReader reader(differences_);
  while (differences_.size() - dropped + added.size() > kMaxBytes) {
    std::uint64_t seconds = 0;
    std::uint64_t difference = 0;
    reader.ReadVarint(&seconds);
    reader.ReadVarint(&difference);
    oldest_step_ += static_cast<std::int64_t>(seconds);
    oldest_value_ = Plus(oldest_value_, UnZigZag(difference));
    dropped = differences_.size() - reader.left();
  }
  differences_.erase(0, dropped);
  // Doubling alone would end at 240 bytes, of which 48 are never used.
  const std::size_t size = differences_.size() + added.size();
  if (size > differences_.capacity() && size > kGrowsByDoubling) {
    differences_.reserve(kMaxBytes);
  }
  differences_ += added;
}

void LatestSteps::ForEach(absl::FunctionRef<void(std::int64_t, std::int64_t)> visit) const {
  if (empty()) {
    return;
  }
  std::int64_t step = oldest_step_;
  std::int64_t value = oldest_value_;
  visit(step, value);
  ByteReader reader(differences_);
  std::uint64_t seconds = 0;
  std::uint64_t difference = 0;
  while (reader.left() > 0 && reader.ReadVarint(&seconds) && reader.ReadVarint(&difference)) {
    step += static_cast<std::int64_t>(seconds);
    value = Plus(value, UnZigZag(difference));
    visit(step, value);
  }
}

}  // namespace ppmm
