// What all loaders of BPF programs share: why a program cannot be loaded, and reading an iterator.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

struct bpf_link;

namespace ppmm {

// Call before opening a program. Sends libbpf's lines to our log, at level debug.
//
// Errors: FailedPrecondition without kernel type information (BTF), with the cure.
absl::Status PrepareForBpf();

// The status of a failed libbpf call. `error` is a positive errno.
//
// Errors: PermissionDenied for EPERM and EACCES names the capabilities that are needed; FailedPrecondition for what the
//         kernel lacks (EINVAL, ENOENT, ENOTSUPP, ESRCH); else as ErrnoStatus.
absl::Status BpfStatus(int error, absl::string_view what);

// Call after loading. libbpf parses the type information of the whole kernel (12 MB) and frees it, but malloc keeps the
// memory: this gives it back to the system.
void ReleaseLoaderMemory();

// Runs an attached iterator once and hands each record of `record_size` bytes to `handle`, in the order of the kernel.
// `buffer` is scratch space that keeps its memory between calls. A program that writes nothing takes record_size 1.
//
// Errors: as BpfStatus; DataLoss if the output ends within a record.
absl::Status RunIterator(const bpf_link* link, std::size_t record_size, std::vector<char>* buffer,
                         absl::FunctionRef<void(const char* record)> handle);

}  // namespace ppmm
