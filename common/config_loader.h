// Configuration: YAML as people write it -> a protobuf message, whose schema is the manual
// (proto/config_options.proto). All mistakes of a file are reported at once, each with its place:
//     collector.yaml:3:5: unknown key "lisen"; did you mean "listen"?
// What a file, a flag or Validate() finds goes into one ConfigReport, which knows where each value came from.
//
// Keys are the names of the fields. Read are: bool, integers, double, string, enumerations, google.protobuf.Duration,
// messages, repeated fields, maps with text keys. Not read: bytes, oneof. Thread-compatible; no state.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"

namespace ppmm {

// Where a value was written: a file with line and column from 1, or a flag ("--data") with line 0.
struct ConfigPlace {
  std::string origin;
  int line = 0;
  int column = 0;
};

struct ConfigError {
  ConfigPlace place;
  std::string message;
};

// `file:line:column: message`, or `--flag: message`. Control characters are escaped.
std::string ToString(const ConfigError& error);

// Collects the mistakes, and remembers where each field was set.
class ConfigReport {
 public:
  // At most this many mistakes are kept; the next one is replaced by a line that says so.
  static constexpr size_t kMaxErrors = 100;

  // `origin`: what is named when nobody set the field: the file, or "configuration" where there is none.
  explicit ConfigReport(std::string origin = "configuration") : origin_(std::move(origin)) {}

  // `path` is the field's, like "grpc.tls.key" or "networks[2]". The place is where it was set, else where the
  // nearest message around it was begun.
  void AddError(absl::string_view path, absl::string_view message);
  void AddErrorAt(ConfigPlace place, absl::string_view message);
  void SetPlace(absl::string_view path, ConfigPlace place);

  // A file could not be read, or is no YAML: what it says is unknown, so that looking for what does not go together
  // would only tell false mistakes.
  void MarkUnread() { unread_ = true; }
  bool unread() const { return unread_; }

  bool ok() const { return errors_.empty(); }
  // File by file in the order in which they were begun, within each by line and column.
  const std::vector<ConfigError>& errors() const { return errors_; }
  // OK, or InvalidArgument with one line per mistake.
  absl::Status status() const;
  // As status(), and a last line like "2 errors, nothing loaded". Not OK even without a mistake.
  absl::Status Refusal() const;

 private:
  std::string origin_;
  std::vector<ConfigError> errors_;
  bool unread_ = false;
  absl::flat_hash_map<std::string, ConfigPlace> places_;
};

// Sets the defaults of the schema in `out` and in the messages within it.
void SetDefaults(google::protobuf::Message* out);

// Reads `text` over what `out` holds: a map, or repeated field, that is given replaces the default; a message is
// merged.
//
// Shape:  at most 1 MiB, 32 levels. A key without a value leaves a message, list or map at its default. Where a message
//         is meant, one word that names a flag of it sets this flag (`tls: insecure_network`).
// Errors: InvalidArgument when `report` holds mistakes afterwards; `out` is then to be thrown away.
absl::Status LoadYaml(absl::string_view file_name, absl::string_view text, google::protobuf::Message* out,
                      ConfigReport* report);

// Sets one field from a flag, as the file would.
//
// Shape:  `path` like "http.listen", of a field that is neither message, list nor map; `flag` like "--http-listen".
// Errors: the mistake is added to `report`.
void SetFromFlag(absl::string_view flag, absl::string_view path, absl::string_view text, google::protobuf::Message* out,
                 ConfigReport* report);

// Reads a file of at most 1 MiB.
//
// Errors: NotFound, PermissionDenied with its cure, ... of the system; InvalidArgument for a larger file or a folder.
absl::StatusOr<std::string> ReadConfigFile(const std::string& path);

// Reads the file that --config names, else the one at `default_path` where there is one, over what `out` holds.
//
// Errors: mistakes, and a file that cannot be read, are added to `report`.
void LoadConfigFile(const std::optional<std::string>& given, const std::string& default_path,
                    google::protobuf::Message* out, ConfigReport* report);

// The paths, sorted, whose values differ and that the schema marks `restart`.
//
// Shape: both messages of one type.
std::vector<std::string> ChangesThatNeedRestart(const google::protobuf::Message& running,
                                                const google::protobuf::Message& loaded);

// How people write an enumerator: LOG_LEVEL_INFO of LogLevel is "info".
std::string ConfigWord(const google::protobuf::EnumValueDescriptor& value);

absl::Duration ToDuration(const google::protobuf::Duration& duration);

}  // namespace ppmm
