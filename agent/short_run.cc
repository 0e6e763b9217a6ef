#include "agent/short_run.h"

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ppmm {
namespace {

constexpr absl::string_view kStartingFile = "starting";
constexpr absl::Duration kShortRun = absl::Seconds(60);
constexpr absl::Duration kDelay = absl::Seconds(10);

}  // namespace

ShortRun::ShortRun(SpoolDirectory* directory, absl::Duration since_boot) : directory_(directory), started_(since_boot) {
  if (directory_->Open(kStartingFile, SpoolDirectory::Mode::kRead).ok()) {
    first_batch_delay_ = kDelay;
  } else {
    // Not synced: a power cut is no crash loop.
    marked_ = directory_->Open(kStartingFile, SpoolDirectory::Mode::kCreate).ok();
  }
}

void ShortRun::Tick(absl::Duration since_boot) {
  if (since_boot - started_ >= kShortRun) {
    End();
  }
}

void ShortRun::End() {
  if (marked_) {
    const absl::Status status = directory_->Remove(kStartingFile);
    marked_ = !status.ok() && !absl::IsNotFound(status);
  }
}

}  // namespace ppmm
