// Runs a target's seeds, and each file that is named or lies in a folder that is named.
//   NAME_fuzz FILE|FOLDER...
//   NAME_fuzz --write-seeds FOLDER    writes seed-N files instead
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "absl/strings/str_cat.h"

#include "tests/fuzz/fuzz.h"

int main(int argc, char** argv) {
  const std::vector<std::string> seeds = ppmm::fuzz::Seeds();
  if (argc == 3 && std::strcmp(argv[1], "--write-seeds") == 0) {
    std::filesystem::create_directories(argv[2]);
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      std::ofstream(absl::StrCat(argv[2], "/seed-", i), std::ios::binary) << seeds[i];
    }
    return 0;
  }
  for (const std::string& seed : seeds) {
    ppmm::fuzz::Run(seed);
  }
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (std::filesystem::is_directory(argv[i])) {
      std::copy(std::filesystem::directory_iterator(argv[i]), {}, std::back_inserter(files));
    } else {
      files.emplace_back(argv[i]);
    }
  }
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    std::cout << file.string() << std::endl;  // flushed: a crash is in the last that is named
    std::ifstream stream(file, std::ios::binary);
    if (!stream) {
      std::cerr << "cannot be read\n";
      return 1;
    }
    ppmm::fuzz::Run(std::string(std::istreambuf_iterator<char>(stream), {}));
  }
  std::cout << seeds.size() << " seeds and " << files.size() << " files: ok" << std::endl;
  return 0;
}
