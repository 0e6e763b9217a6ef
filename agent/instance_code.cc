#include "agent/instance_code.h"

#include <algorithm>
#include <tuple>

namespace ppmm {
namespace {

enum class Difference { kNone, kKnownBetter, kRelease };

// What a second look at the same code says beside the first.
Difference Compare(const wire::Instance& before, const wire::Instance& now) {
  const bool other_bytes =
      !before.code_digest().empty() && !now.code_digest().empty() && before.code_digest() != now.code_digest();
  if (now.version().empty() && !before.version().empty()) {
    // Less is known. Other bytes without a version are another program in the same place, and no release of this one.
    return other_bytes ? Difference::kKnownBetter : Difference::kNone;
  }
  if (other_bytes || (!before.version().empty() && before.version() != now.version())) {
    return Difference::kRelease;
  }
  if (now.code_digest().empty() && !before.code_digest().empty()) {
    return Difference::kNone;
  }
  const auto said = [](const wire::Instance& i) {
    return std::make_tuple(i.version(), i.code_digest(), i.product(), i.origin_guess(), i.origin_confidence());
  };
  return said(before) == said(now) ? Difference::kNone : Difference::kKnownBetter;
}

InstanceCode::Release ReleaseOf(const wire::Instance& before, const wire::Instance& now) {
  return {now.version(), now.code_digest(), before.version(), before.code_digest()};
}

}  // namespace

std::size_t InstanceCode::PlaceFor(absl::string_view code, absl::Time now) {
  const auto known = std::find_if(parts_.begin(), parts_.end(), [code](const Part& p) { return p.code == code; });
  if (known != parts_.end()) {
    return static_cast<std::size_t>(known - parts_.begin());
  }
  if (parts_.size() < kMaxParts) {
    parts_.emplace_back();
    return parts_.size() - 1;
  }
  std::size_t oldest = kNoPart;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (i != main_ && now - parts_[i].last_alive >= kGone &&
        (oldest == kNoPart || parts_[i].last_alive < parts_[oldest].last_alive)) {
      oldest = i;
    }
  }
  if (oldest != kNoPart) {
    parts_[oldest] = Part{};
  }
  return oldest;
}

std::size_t InstanceCode::Add(const Seen& seen, absl::Time now) {
  const std::size_t index = PlaceFor(seen.code, now);
  if (index == kNoPart) {
    return kNoPart;
  }
  dirty_ = true;
  Part& part = parts_[index];
  if (part.last_alive == absl::InfinitePast()) {
    part.code = seen.code;
    part.record = seen.record;
  } else if (!seen.replaced) {
    Take(seen, now, part);
  }
  if (now - part.last_alive >= kGone) {
    part.listens = false;
    part.start_ns = seen.start_ns;
    part.started = seen.started;
  } else if (seen.start_ns < part.start_ns) {
    part.start_ns = seen.start_ns;
    part.started = seen.started;
  }
  part.package = seen.package;
  part.in_file = seen.in_file;
  part.last_alive = now;
  return index;
}

void InstanceCode::Take(const Seen& seen, absl::Time now, Part& part) {
  const Difference difference = Compare(part.record, seen.record);
  if (difference == Difference::kNone) {
    return;
  }
  if (difference == Difference::kRelease) {
    part.change = ReleaseOf(part.record, seen.record);
    part.changed_at = now;
  }
  part.record = seen.record;
}

void InstanceCode::NoteAlive(std::size_t part, absl::Time now) {
  if (part < parts_.size()) {
    parts_[part].last_alive = now;
  }
}

void InstanceCode::NoteListening(std::size_t part) {
  if (part < parts_.size() && !parts_[part].listens) {
    parts_[part].listens = true;
    dirty_ = true;
  }
}

// Who serves speaks before who does not, a file before code that is in none, the older before the younger.
bool InstanceCode::SpeaksBefore(const Part& a, const Part& b) {
  return std::tie(b.listens, b.in_file, a.start_ns, a.code) < std::tie(a.listens, a.in_file, b.start_ns, b.code);
}

// An upgrade may bring its program to another path. Programs of one package that ran beside each other are no upgrade.
std::optional<InstanceCode::Release> InstanceCode::Succession(const Part& before, const Part& after) {
  const wire::Instance& old = before.record;
  const wire::Instance& now = after.record;
  if (old.product().empty() || old.product() != now.product() || old.version().empty() || now.version().empty() ||
      old.version() == now.version() || after.started <= before.last_alive) {
    return std::nullopt;
  }
  return ReleaseOf(old, now);
}

bool InstanceCode::Settle(absl::Time now, std::optional<Release>* release) {
  release->reset();
  if (!dirty_ && parts_.size() < 2) {
    return false;
  }
  std::size_t best = kNoPart;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (now - parts_[i].last_alive < kGone && (best == kNoPart || SpeaksBefore(parts_[i], parts_[best]))) {
      best = i;
    }
  }
  if (best == kNoPart || (best == main_ && !dirty_)) {
    return false;
  }
  dirty_ = false;
  Part& part = parts_[best];
  if (part.change.has_value() && now - part.changed_at < kGone) {
    *release = std::move(part.change);
  } else if (main_ != kNoPart && main_ != best) {
    *release = Succession(parts_[main_], part);
  }
  part.change.reset();
  main_ = best;
  return true;
}

}  // namespace ppmm
