// Where a collector is, by its configuration: its data directory, its store, the names that it answers to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "common/data_lock.h"
#include "proto/collector_config.pb.h"

namespace ppmm {

std::string StorePath(const config::CollectorConfig& config);

// A file that is to stay where it is while somebody writes it.
class PlacedFile {
 public:
  // Shape: of a file that is there.
  explicit PlacedFile(std::string path);
  // Nothing, or something else, has its name now.
  bool Gone() const;

 private:
  std::string path_;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
};

// Makes the directory and takes its lock.
// Errors: AlreadyExists: another collector has it; ResourceExhausted: the disk is full; FailedPrecondition: it cannot
//         be used. The text has the cure.
absl::Status TakeDataDirectory(const config::CollectorConfig& config, DataLock* lock);

// The names that HTTP answers to, beside localhost: this host's, and those configured.
std::vector<std::string> HttpNames(const config::CollectorConfig& config);

}  // namespace ppmm
