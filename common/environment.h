// The environment of the process as an argument, so that what depends on it can be tested.
#pragma once

#include <functional>
#include <string>

namespace ppmm {

// Gives the value of a variable; an absent one is empty.
using Environment = std::function<std::string(const char* name)>;

// That of this process. Reads the process's own table: not while another thread sets variables.
std::string ProcessEnvironment(const char* name);

}  // namespace ppmm
