#include "common/addresses.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "common/log.h"

namespace ppmm {
namespace {

constexpr absl::string_view kConnectForm =
    "write ADDRESS:PORT, as 10.0.0.7:7767, [fd00::7]:7767 or collector.example:7767";

absl::Status NoAddress(absl::string_view text, absl::string_view what, absl::string_view form) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", EscapeForDisplay(text, 64), "\" ", what, form.empty() ? "" : "; ", form));
}

bool IsName(absl::string_view text) {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
  });
}

// "10.0.0" and "300.1.1.1" are addresses with a mistake, not names.
bool LooksNumeric(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '.'; });
}

absl::StatusOr<HostPort> SplitHostPort(absl::string_view text, absl::string_view form, int smallest_port) {
  if (absl::StrContains(text, "://")) {
    return NoAddress(text, "is a URL", form);
  }
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos || absl::EndsWith(text, "]")) {
    return NoAddress(text, "has no port", form);
  }
  absl::string_view host = text.substr(0, colon);
  const bool bracketed = absl::StartsWith(host, "[") && absl::EndsWith(host, "]");
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  } else if (absl::StrContains(host, ':')) {
    return NoAddress(text, "needs brackets around the IPv6 address", form);
  }
  // Digits only: SimpleAtoi would take blanks and a sign.
  const absl::string_view digits = text.substr(colon + 1);
  int port = 0;
  if (digits.empty() || digits.size() > 5 || !LooksNumeric(digits) || !absl::SimpleAtoi(digits, &port) ||
      port < smallest_port || port > 65535) {
    return NoAddress(text, absl::StrCat("has no port from ", smallest_port, " to 65535"), form);
  }
  const auto address = IpAddress::Parse(host);
  if (bracketed ? !address.ok() : !address.ok() && (!IsName(host) || LooksNumeric(host))) {
    return NoAddress(text, host.empty() ? "has no address before the port" : "has an address that is none", form);
  }
  return HostPort{std::string(host), static_cast<std::uint16_t>(port)};
}

bool SameBits(const IpAddress& a, const IpAddress& b, int bits) {
  const size_t whole = static_cast<size_t>(bits) / 8;
  if (std::memcmp(a.bytes().data(), b.bytes().data(), whole) != 0) {
    return false;
  }
  const int rest = bits % 8;
  return rest == 0 || (a.bytes()[whole] >> (8 - rest)) == (b.bytes()[whole] >> (8 - rest));
}

IpAddress Masked(const IpAddress& address, int bits) {
  std::array<std::uint8_t, 16> bytes = address.bytes();
  for (size_t i = 0; i < bytes.size(); ++i) {
    const int keep = std::clamp(bits - 8 * static_cast<int>(i), 0, 8);
    bytes[i] = static_cast<std::uint8_t>(bytes[i] & (0xff << (8 - keep)));
  }
  return IpAddress::V6(bytes);
}

bool V4In(const IpAddress& address, std::uint8_t a, std::uint8_t b, int bits) {
  return SameBits(address, IpAddress::V4({a, b, 0, 0}), 96 + bits);
}

bool V6In(const IpAddress& address, std::uint8_t a, std::uint8_t b, int bits) {
  return SameBits(address, IpAddress::V6({a, b}), bits);
}

}  // namespace

IpAddress IpAddress::V4(const std::array<std::uint8_t, 4>& bytes) {
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin() + 12);
  return address;
}

IpAddress IpAddress::V6(const std::array<std::uint8_t, 16>& bytes) {
  IpAddress address;
  address.bytes_ = bytes;
  return address;
}

absl::StatusOr<IpAddress> IpAddress::Parse(absl::string_view text) {
  const std::string terminated(text);
  std::array<std::uint8_t, 4> four;
  std::array<std::uint8_t, 16> sixteen;
  if (text.find('\0') == absl::string_view::npos) {
    if (inet_pton(AF_INET, terminated.c_str(), four.data()) == 1) {
      return V4(four);
    }
    if (inet_pton(AF_INET6, terminated.c_str(), sixteen.data()) == 1) {
      return V6(sixteen);
    }
  }
  return NoAddress(text, "is no IP address", "");
}

bool IpAddress::is_v4() const {
  return SameBits(*this, V4({0, 0, 0, 0}), 96);
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (is_v4()) {
    inet_ntop(AF_INET, bytes_.data() + 12, text, sizeof(text));
  } else {
    inet_ntop(AF_INET6, bytes_.data(), text, sizeof(text));
  }
  return text;
}

bool IpAddress::IsUnspecified() const {
  return *this == V4({0, 0, 0, 0}) || *this == V6({});
}

bool IpAddress::IsLoopback() const {
  std::array<std::uint8_t, 16> one = {};
  one[15] = 1;
  return V4In(*this, 127, 0, 8) || bytes_ == one;
}

bool IpAddress::IsPrivate() const {
  return V4In(*this, 10, 0, 8) || V4In(*this, 172, 16, 12) || V4In(*this, 192, 168, 16) || V4In(*this, 100, 64, 10) ||
         V6In(*this, 0xfc, 0, 7);
}

bool IpAddress::IsLinkLocal() const {
  return V4In(*this, 169, 254, 16) || V6In(*this, 0xfe, 0x80, 10);
}

bool IpAddress::IsMulticast() const {
  return V4In(*this, 224, 0, 4) || V6In(*this, 0xff, 0, 8);
}

absl::StatusOr<Network> Network::Parse(absl::string_view text) {
  constexpr absl::string_view kForm = "write a network as 10.20.0.0/16 or fd00:1::/32";
  const size_t slash = text.find('/');
  const auto address = IpAddress::Parse(text.substr(0, slash));
  if (!address.ok()) {
    return NoAddress(text, "is no network", kForm);
  }
  const int longest = address->is_v4() ? 32 : 128;
  int prefix = longest;
  if (slash != absl::string_view::npos) {
    const absl::string_view digits = text.substr(slash + 1);
    if (digits.empty() || digits.size() > 3 || !LooksNumeric(digits) || !absl::SimpleAtoi(digits, &prefix) ||
        prefix > longest) {
      return NoAddress(text, absl::StrCat("has no prefix from 0 to ", longest), kForm);
    }
  }
  Network network;
  network.bits_ = prefix + 128 - longest;
  network.base_ = Masked(*address, network.bits_);
  if (network.base_ != *address) {
    return NoAddress(text, "has bits beyond its prefix", absl::StrCat("write ", network.ToString()));
  }
  return network;
}

absl::StatusOr<Network> Network::ParseOwn(absl::string_view text) {
  absl::StatusOr<Network> network = Parse(text);
  if (network.ok()) {
    const bool v4 = network->base_.is_v4();
    const int widest = v4 ? 8 : 16;
    if ((v4 ? network->bits_ - 96 : network->bits_) < widest) {
      return NoAddress(text, "is wider than any organization's",
                       absl::StrCat("write networks of a prefix of ", widest, " or more"));
    }
  }
  return network;
}

bool Network::Contains(const IpAddress& address) const {
  return base_.is_v4() == address.is_v4() && SameBits(base_, address, bits_);
}

std::string Network::ToString() const {
  return absl::StrCat(base_.ToString(), "/", base_.is_v4() ? bits_ - 96 : bits_);
}

std::string HostPort::ToString() const {
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

bool HostPort::IsLoopback() const {
  if (absl::EqualsIgnoreCase(host, "localhost")) {
    return true;
  }
  const auto address = IpAddress::Parse(host);
  return address.ok() && address->IsLoopback();
}

absl::StatusOr<HostPort> ParseHostPort(absl::string_view text) {
  return SplitHostPort(text, kConnectForm, 1);
}

absl::StatusOr<HostPort> ParseListenAddress(absl::string_view text, int example_port) {
  const std::string form = absl::StrCat("write ADDRESS:PORT, as 127.0.0.1:", example_port, ", [::1]:", example_port,
                                        " or 0.0.0.0:", example_port);
  auto result = SplitHostPort(text, form, 0);
  if (!result.ok()) {
    return result;
  }
  if (absl::EqualsIgnoreCase(result->host, "localhost")) {
    result->host = "127.0.0.1";
  } else if (!IpAddress::Parse(result->host).ok()) {
    return NoAddress(text, "names a host, and listening needs an address of this one", form);
  }
  return result;
}

}  // namespace ppmm
