// Addresses as people write them: ADDR:PORT, names with ports, networks; and which ranges an address belongs to.
// Values, no I/O: names are never resolved here.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ppmm {

// An IPv4 or IPv6 address. IPv4 written inside IPv6 (::ffff:10.0.0.1) is the IPv4 address. Ordered, hashable.
class IpAddress {
 public:
  // 0.0.0.0.
  IpAddress() = default;
  // Shape: network byte order.
  static IpAddress V4(const std::array<std::uint8_t, 4>& bytes);
  static IpAddress V6(const std::array<std::uint8_t, 16>& bytes);
  // Errors: InvalidArgument for what is no address; zones (fe80::1%eth0) and brackets are none.
  static absl::StatusOr<IpAddress> Parse(absl::string_view text);

  bool is_v4() const;
  std::string ToString() const;
  // Network byte order; IPv4 as ::ffff:a.b.c.d.
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }

  bool IsUnspecified() const;  // 0.0.0.0, ::
  bool IsLoopback() const;     // 127.0.0.0/8, ::1
  bool IsPrivate() const;      // RFC 1918, RFC 4193 (fc00::/7), RFC 6598 (100.64.0.0/10)
  bool IsLinkLocal() const;    // 169.254.0.0/16, fe80::/10
  bool IsMulticast() const;    // 224.0.0.0/4, ff00::/8

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  template <class H>
  friend H AbslHashValue(H h, const IpAddress& address) {
    return H::combine(std::move(h), address.bytes_);
  }

 private:
  std::array<std::uint8_t, 16> bytes_ = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
};

// The addresses that begin with the same bits.
class Network {
 public:
  // Reads "10.0.0.0/8", "fd00::/8"; an address alone is the network of just this one.
  //
  // Errors: InvalidArgument; bits beyond the prefix are refused with the network that was probably meant.
  static absl::StatusOr<Network> Parse(absl::string_view text);
  // As Parse, of a network that one organization has: none holds more than a /8 of IPv4 or a /16 of IPv6, and one that
  // seems to would make every public address that hosts talk to a host of its own.
  //
  // Errors: InvalidArgument.
  static absl::StatusOr<Network> ParseOwn(absl::string_view text);

  bool Contains(const IpAddress& address) const;
  std::string ToString() const;

  friend bool operator==(const Network&, const Network&) = default;

 private:
  IpAddress base_;
  int bits_ = 0;  // of the 16 bytes: an IPv4 prefix counts 96 more
};

// A literal address or a name, with a port.
struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;

  // "127.0.0.1:80", "[::1]:80", "collector.example:80".
  std::string ToString() const;
  // True for loopback addresses and for localhost, which RFC 6761 keeps for them.
  bool IsLoopback() const;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// Reads where to connect to.
//
// Shape:  a name of letters, digits, '-', '_' and '.', or an IPv4 address, or an IPv6 address in brackets; port 1 to
//         65535.
// Errors: InvalidArgument quotes the text and shows how an address is written.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view text);

// Reads where to listen: as above, but no name except localhost, which is 127.0.0.1; port 0 lets the system choose.
// `example_port`: of the addresses that an error shows.
absl::StatusOr<HostPort> ParseListenAddress(absl::string_view text, int example_port = 7767);

}  // namespace ppmm
