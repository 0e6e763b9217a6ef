// Which hooks of the kernel take the times of requests. A clock has three points: the request arrives, the application
// reads it, it begins to answer. Each takes the first hook of its list that this kernel has, by its type information,
// never by its version.
#pragma once

#include <string>

#include "absl/status/status.h"

struct bpf_object;
struct btf;

namespace ppmm {

// What of the lists may be tried. Some kernels refuse programs on functions (fentry), though they have them.
enum class HookChoice { kAll, kTracepointsOnly, kNone };

// The hook of each point as bpftool names it; empty: none.
struct CaptureHooks {
  std::string arrival;
  std::string read;
  std::string write;
  // What the hooks cannot see, or why there are none. For people.
  std::string limits;

  // Response times need both; without a read they are not split into wait and service.
  bool complete() const { return !arrival.empty() && !write.empty(); }
};

// Decides which programs of sockets.bpf.c are loaded. `object` is open and not loaded.
//
// Errors: Internal if the object lacks a program of the list.
absl::Status ChooseCaptureHooks(const btf* kernel, HookChoice choice, bpf_object* object, CaptureHooks* chosen);

}  // namespace ppmm
