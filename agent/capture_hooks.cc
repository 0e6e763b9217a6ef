#include "agent/capture_hooks.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace ppmm {
namespace {

struct Hook {
  std::string CaptureHooks::*point;
  const char* program;
  // Empty: taken if the point has none yet. Else: taken beside that one.
  absl::string_view beside;
  // What it cannot see.
  absl::string_view limit;
};

// For each point the best first.
constexpr Hook kHooks[] = {
    {&CaptureHooks::arrival, "arrival_tracepoint", "", ""},
    {&CaptureHooks::arrival, "arrival_fentry", "", "requests over TLS in the kernel are not seen"},
    {&CaptureHooks::read, "read_tracepoint", "", ""},
    {&CaptureHooks::read, "read_fexit", "", "reads by splice() are not seen, so wait and service miss them"},
    {&CaptureHooks::read, "read_unix_fexit", "fexit/tcp_recvmsg", ""},
    {&CaptureHooks::write, "write_tracepoint", "", ""},
    {&CaptureHooks::write, "write_fentry", "", ""},
    {&CaptureHooks::write, "write_pages_fentry", "fentry/tcp_sendmsg_locked", ""},
    {&CaptureHooks::write, "write_after_tracepoint", "",
     "an answer counts when its first write ends, not when it begins"},
};

bool IsTracepoint(absl::string_view section) {
  return absl::StartsWith(section, "tp_btf/");
}

bool KernelHas(const btf* kernel, absl::string_view section) {
  const std::string target(section.substr(section.find('/') + 1));
  return IsTracepoint(section)
             ? btf__find_by_name_kind(kernel, absl::StrCat("btf_trace_", target).c_str(), BTF_KIND_TYPEDEF) > 0
             : btf__find_by_name_kind(kernel, target.c_str(), BTF_KIND_FUNC) > 0;
}

bool May(HookChoice choice, absl::string_view section) {
  return choice == HookChoice::kAll || (choice == HookChoice::kTracepointsOnly && IsTracepoint(section));
}

}  // namespace

absl::Status ChooseCaptureHooks(const btf* kernel, HookChoice choice, bpf_object* object, CaptureHooks* chosen) {
  *chosen = {};
  std::vector<absl::string_view> limits;
  std::vector<bpf_program*> loaded;
  for (const Hook& hook : kHooks) {
    bpf_program* program = bpf_object__find_program_by_name(object, hook.program);
    if (program == nullptr) {
      return absl::InternalError(absl::StrCat("BPF sockets: no program ", hook.program));
    }
    bpf_program__set_autoload(program, false);
    const absl::string_view section = bpf_program__section_name(program);
    std::string& point = chosen->*hook.point;
    if (point != hook.beside || !May(choice, section) || !KernelHas(kernel, section)) {
      continue;
    }
    loaded.push_back(program);
    if (hook.beside.empty()) {
      point = std::string(section);
    }
    if (!hook.limit.empty()) {
      limits.push_back(hook.limit);
    }
  }
  if (!chosen->complete()) {  // half a clock measures nothing
    *chosen = {};
    chosen->limits =
        choice == HookChoice::kAll
            ? "this kernel has no hook where requests arrive or are answered: Linux 6.1 or later has"
            : "this kernel refuses programs where requests arrive or are answered; log level debug shows why";
    return absl::OkStatus();
  }
  for (bpf_program* program : loaded) {
    bpf_program__set_autoload(program, true);
  }
  chosen->limits = absl::StrJoin(limits, "; ");
  return absl::OkStatus();
}

}  // namespace ppmm
