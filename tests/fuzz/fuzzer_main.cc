// How libFuzzer calls a target; it brings main().
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ppmm::fuzz::Run(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
