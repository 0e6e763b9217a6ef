#include "agent/socket_sample.h"

namespace ppmm {

IpAddress SocketAddress(const std::array<std::uint8_t, 16>& bytes) {
  const IpAddress address = IpAddress::V6(bytes);
  return address.IsUnspecified() ? IpAddress() : address;
}

std::string FormatAddress(const IpAddress& address) {
  return address.IsUnspecified() ? "*" : address.ToString();
}

}  // namespace ppmm
