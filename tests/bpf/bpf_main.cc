// main() of the tests that load BPF programs: skips them by name where that is impossible. Root with BTF is never
// skipped: there a program that does not load is a failure.
#include <unistd.h>

#include <cstdio>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
#ifdef PPMM_WITHOUT_BPF
  std::puts("SKIPPED: built without BPF (WITH_BPF=OFF)");
  return 77;
#endif
  if (geteuid() != 0) {
    std::puts("SKIPPED: loading BPF programs needs root");
    return 77;
  }
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
    std::puts("SKIPPED: this kernel has no BTF (/sys/kernel/btf/vmlinux)");
    return 77;
  }
  return RUN_ALL_TESTS();
}
