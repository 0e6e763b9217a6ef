#include "common/grpc_log.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "common/clock.h"
#include "common/log.h"
#include "grpc/support/log.h"

namespace ppmm {
namespace {

constexpr absl::string_view kComponent = "grpc";

void TakeLine(gpr_log_func_args* line) {
  static LogLimiter limiter(absl::Minutes(1));
  absl::string_view file = line->file;
  file.remove_prefix(file.rfind('/') + 1);  // npos + 1 is 0
  const std::string place = absl::StrCat(" [", file, ":", line->line);
  if (line->severity != GPR_LOG_SEVERITY_ERROR) {
    LogDebug(kComponent, line->message, place, "]");
  } else if (const std::int64_t n = limiter.Allow(RealClock().Now())) {
    LogWarning(kComponent, line->message, place, "] (", n, " since the last such line)");
  }
}

}  // namespace

void RouteGrpcLog() {
  gpr_set_log_function(TakeLine);
}

}  // namespace ppmm
