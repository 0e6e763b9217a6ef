#include "collector/answer_frames.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace ppmm {
namespace {

void FillNumbers(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& numbers,
                 google::protobuf::RepeatedPtrField<wire::EpochNumber>* out) {
  for (const auto& [epoch, number] : numbers) {
    wire::EpochNumber* entry = out->Add();
    entry->set_epoch(epoch);
    entry->set_number(number);
  }
}

}  // namespace

wire::Welcome ToWire(const StreamWelcome& welcome) {
  wire::Welcome out;
  FillNumbers(welcome.durable, out.mutable_durable());
  out.set_instruction(static_cast<wire::Instruction>(welcome.instruction));
  out.set_host_label(welcome.host_label);
  out.set_store_id(welcome.store_id);
  return out;
}

wire::Ack ToWire(const StreamAck& ack) {
  wire::Ack out;
  FillNumbers(ack.durable, out.mutable_durable());
  for (const auto& [epoch, number] : ack.refused) {
    wire::Refused* refused = out.add_refused();
    refused->set_epoch(epoch);
    refused->set_seq(number);
    refused->set_reason(wire::REFUSAL_LIMIT);
    refused->set_detail("the store holds as many series or applications as it may");
  }
  out.set_instruction(static_cast<wire::Instruction>(ack.instruction));
  return out;
}

}  // namespace ppmm
