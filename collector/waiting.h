// Stands in for the collector while its store cannot be opened because the disk is full or read-only: HTTP says why,
// agents keep what they have. main.cc owns one until the collector can be started.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "common/clock.h"
#include "proto/collector_config.pb.h"

namespace ppmm {

// Whether that error of Collector::Start() may pass by itself: there is no room, or the file system is read-only.
bool MayPass(const absl::Status& status, const config::CollectorConfig& config);

// One thread.
class WaitingForStore {
 public:
  // Listens for HTTP; `why` is what the collector could not be started for. `clock` outlives this.
  // Errors: AlreadyExists: the address is taken.
  static absl::StatusOr<std::unique_ptr<WaitingForStore>> Start(const config::CollectorConfig& config,
                                                                const Clock* clock, const absl::Status& why);
  ~WaitingForStore();

  // Opens the store and closes it again. OK: the collector may be started, once this is destroyed. An error is what
  // HTTP says from now on.
  absl::Status Try();

  int http_port() const;

 private:
  class Impl;
  explicit WaitingForStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppmm
