#include "common/config_checks.h"

#include <sys/un.h>

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "common/log.h"

namespace ppmm {

void CheckPath(absl::string_view field, absl::string_view value, ConfigReport* report) {
  if (value.empty()) {
    report->AddError(field, "is not set; write a path (without HOME there is no default)");
  } else if (!absl::StartsWith(value, "/") || value.find('\0') != absl::string_view::npos) {
    report->AddError(field, absl::StrCat("\"", EscapeForDisplay(value, 128), "\" must begin with \"/\""));
  }
}

void CheckSocketPath(absl::string_view field, absl::string_view value, ConfigReport* report) {
  constexpr size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (value.size() > kLongest) {
    report->AddError(field,
                     absl::StrCat("has ", value.size(), " bytes; the path of a Unix socket has at most ", kLongest));
  } else {
    CheckPath(field, value, report);
  }
}

void CheckTls(const TlsFields& fields, ConfigReport* report) {
  const std::pair<absl::string_view, absl::string_view> files[] = {
      {"certificate", fields.certificate}, {"key", fields.key}, {fields.ca_name, fields.ca}};
  std::vector<std::string> given;
  std::vector<std::string> missing;
  for (const auto& [name, value] : files) {
    (value.empty() ? missing : given).emplace_back(name);
    if (!value.empty()) {
      CheckPath(absl::StrCat(fields.path, ".", name), value, report);
    }
  }
  if (!given.empty() && !missing.empty()) {
    report->AddError(absl::StrCat(fields.path, ".", given.front()),
                     absl::StrCat("goes together with ", absl::StrJoin(missing, " and ")));
  } else if (given.empty() && !fields.is_loopback && !fields.insecure_network) {
    report->AddError(
        fields.address_path,
        absl::StrCat("\"", EscapeForDisplay(fields.address, 64),
                     "\" is not on loopback, and without a certificate everything would go in plain text; set ",
                     fields.path, ".certificate, key and ", fields.ca_name, ", or, in a network you trust, ",
                     fields.path, ".insecure_network: true"));
  }
  if (!given.empty() && fields.insecure_network) {
    report->AddError(absl::StrCat(fields.path, ".insecure_network"),
                     "means plain text, and there is a certificate; remove one of them");
  }
}

std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error || path.empty() ? path : absolute.lexically_normal().string();
}

}  // namespace ppmm
