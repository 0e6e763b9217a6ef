// One value of a configuration: its text -> the field, with type and range checked by the schema. Inner part of
// config_loader. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace ppmm {

// Sets `field` of `out`, or appends to it when it is repeated.
//
// Errors: InvalidArgument says what is wrong with `text` and what is allowed; Internal: the schema has a default or a
//         bound that is itself wrong, or a type that configurations do not have.
absl::Status SetFieldFromText(const google::protobuf::FieldDescriptor& field, absl::string_view text,
                              google::protobuf::Message* out);

// True for fields whose value is one piece of text: all but messages, and google.protobuf.Duration.
bool IsScalar(const google::protobuf::FieldDescriptor& field);

// The keys that people may write in a message, in the order of the schema.
std::vector<std::string> KeysOf(const google::protobuf::Descriptor& type);

}  // namespace ppmm
