#include "agent/socket_sample.h"

namespace ppmm {

IpAddress SocketAddress(const std::array<std::uint8_t, 16>& bytes) {
  const IpAddress address = IpAddress::V6(bytes);
  return address.IsUnspecified() ? IpAddress() : address;
}

std::string FormatAddress(const IpAddress& address) {
  return address.IsUnspecified() ? "*" : address.ToString();
}

namespace {
constexpr std::uint64_t TurnTotals::*kTurnTotals[] = {
    &TurnTotals::begun,   &TurnTotals::answered,  &TurnTotals::unanswered, &TurnTotals::set_aside,
    &TurnTotals::errors,  &TurnTotals::pipelined, &TurnTotals::streams,    &TurnTotals::in_flight_ns,
    &TurnTotals::owed_ns, &TurnTotals::hidden_ns, &TurnTotals::kept_ns};
}  // namespace

TurnTotals TurnTotals::Since(const TurnTotals& before) const {
  TurnTotals rise;
  for (std::uint64_t TurnTotals::*const total : kTurnTotals) {
    rise.*total = this->*total > before.*total ? this->*total - before.*total : 0;
  }
  return rise;
}

void TurnTotals::Add(const TurnTotals& more) {
  for (std::uint64_t TurnTotals::*const total : kTurnTotals) {
    this->*total += more.*total;
  }
}

}  // namespace ppmm
