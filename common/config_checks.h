// What both programs check after reading a configuration, beyond type and range. Each adds to the report what is wrong.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"

#include "common/config_loader.h"

namespace ppmm {

// A file or folder: absolute, since the working folder of a daemon is not the person's.
void CheckPath(absl::string_view field, absl::string_view value, ConfigReport* report);

// As CheckPath, and short enough for a Unix socket (107 bytes).
void CheckSocketPath(absl::string_view field, absl::string_view value, ConfigReport* report);

// The fields of a message that protect a connection.
struct TlsFields {
  absl::string_view path;  // of the message: "grpc.tls"
  absl::string_view address_path;
  absl::string_view address;
  absl::string_view ca_name;  // "ca", "client_ca"
  absl::string_view certificate;
  absl::string_view key;
  absl::string_view ca;
  bool insecure_network = false;
  bool is_loopback = false;
};

// Certificate, key and ca go together; plain text off loopback only on purpose.
void CheckTls(const TlsFields& fields, ConfigReport* report);

// The same path, absolute: flags are relative to the folder where they are typed. Unchanged when there is no such
// folder any more.
std::string AbsolutePath(const std::string& path);

}  // namespace ppmm
