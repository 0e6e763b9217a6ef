// A directory that is being read, closed at the end.
#pragma once

#include <dirent.h>

#include <memory>

namespace ppmm {

struct DirCloser {
  void operator()(DIR* dir) const { closedir(dir); }
};
using Dir = std::unique_ptr<DIR, DirCloser>;

}  // namespace ppmm
