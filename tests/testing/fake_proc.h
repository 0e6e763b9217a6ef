// A tree of files in a temporary folder that stands for the root of a host.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace ppmm {

// Not thread-safe. The folder goes with the object.
class FakeProc {
 public:
  FakeProc() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ppmm-fake-proc.XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~FakeProc() { std::filesystem::remove_all(root_); }
  FakeProc(const FakeProc&) = delete;
  FakeProc& operator=(const FakeProc&) = delete;

  const std::string& root() const { return root_; }

  // Writes in place, as the kernel's files are the same file at each reading. `path` begins with '/'.
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full, std::ios::binary | std::ios::trunc) << text;
  }
  void Remove(const std::string& path) { std::filesystem::remove_all(root_ + path); }

 private:
  std::string root_;
};

}  // namespace ppmm
