#include "agent/socket_sample.h"

#include <arpa/inet.h>

#include <algorithm>

namespace ppmm {

std::string FormatAddress(const IpAddress& address) {
  if (address == IpAddress{}) {
    return "*";
  }
  constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool v4 = std::equal(kMapped.begin(), kMapped.end(), address.begin());
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address.data() + kMapped.size() : address.data(), text, sizeof(text));
  return text;
}

}  // namespace ppmm
