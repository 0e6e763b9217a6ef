#include "common/config_value.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"

#include "common/config_loader.h"
#include "common/log.h"
#include "common/nearest.h"
#include "common/status.h"
#include "common/units.h"
#include "proto/config_options.pb.h"

namespace ppmm {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", EscapeForDisplay(text, 64), "\"");
}

absl::Status SchemaError(const FieldDescriptor& field, absl::string_view what) {
  return absl::InternalError(absl::StrCat("schema: ", std::string(field.full_name()), ": ", what));
}

// Integers are read with 128 bits, so that what is too large for its type is told as out of range, not as no number.
template <class T>
absl::StatusOr<T> ParseAs(const FieldDescriptor& field, absl::string_view text) {
  if constexpr (std::is_same_v<T, absl::Duration>) {
    return ParseDuration(text);
  } else if constexpr (std::is_same_v<T, double>) {
    double value = 0;
    if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) {
      return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " is not a number"));
    }
    return value;
  } else {
    if (field.options().GetExtension(config::setting).unit() == config::UNIT_BYTES) {
      auto bytes = ParseByteSize(text);
      if (!bytes.ok()) {
        return bytes.status();
      }
      return T{*bytes};
    }
    T value = 0;
    if (!absl::SimpleAtoi(text, &value)) {
      return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " is not a whole number"));
    }
    return value;
  }
}

absl::Status RangeError(absl::string_view text, absl::string_view min, absl::string_view max) {
  if (max.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(EscapeForDisplay(text, 64), " is too small; at least ", min));
  }
  if (min.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(EscapeForDisplay(text, 64), " is too large; at most ", max));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(EscapeForDisplay(text, 64), " is out of range; allowed: ", min, " to ", max));
}

// Parses `text` and holds it against the bounds of the schema; the bounds of the type are given by the caller.
template <class T>
absl::StatusOr<T> ParseInRange(const FieldDescriptor& field, absl::string_view text, T type_min, T type_max,
                               absl::string_view type_min_text, absl::string_view type_max_text) {
  ASSIGN_OR_RETURN(const T value, ParseAs<T>(field, text));
  const config::Setting& setting = field.options().GetExtension(config::setting);
  T min = type_min;
  T max = type_max;
  if (!setting.min().empty()) {
    auto bound = ParseAs<T>(field, setting.min());
    if (!bound.ok()) {
      return SchemaError(field, absl::StrCat("min: ", bound.status().message()));
    }
    min = *bound;
  }
  if (!setting.max().empty()) {
    auto bound = ParseAs<T>(field, setting.max());
    if (!bound.ok()) {
      return SchemaError(field, absl::StrCat("max: ", bound.status().message()));
    }
    max = *bound;
  }
  if (value < min || value > max) {
    return RangeError(text, setting.min().empty() ? type_min_text : absl::string_view(setting.min()),
                      setting.max().empty() ? type_max_text : absl::string_view(setting.max()));
  }
  return value;
}

template <class T>
absl::StatusOr<T> ParseInteger(const FieldDescriptor& field, absl::string_view text) {
  constexpr T kMin = std::numeric_limits<T>::min();
  constexpr T kMax = std::numeric_limits<T>::max();
  const bool bytes = field.options().GetExtension(config::setting).unit() == config::UNIT_BYTES;
  ASSIGN_OR_RETURN(
      const absl::int128 value,
      ParseInRange<absl::int128>(field, text, kMin, kMax, bytes ? "0B" : absl::StrCat(kMin),
                                 bytes ? FormatByteSize(static_cast<std::uint64_t>(kMax)) : absl::StrCat(kMax)));
  return static_cast<T>(value);
}

absl::StatusOr<const EnumValueDescriptor*> ParseEnum(const FieldDescriptor& field, absl::string_view text) {
  std::vector<std::string> words;
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    const EnumValueDescriptor* value = field.enum_type()->value(i);
    const std::string word = ConfigWord(*value);
    if (word == "unspecified") {
      continue;
    }
    if (word == text) {
      return value;
    }
    words.push_back(word);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(Quoted(text), " is not one of ", absl::StrJoin(words, ", "), DidYouMean(text, words)));
}

absl::StatusOr<bool> ParseBool(absl::string_view text) {
  if (text == "true" || text == "false") {
    return text == "true";
  }
  return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " is neither true nor false"));
}

absl::Status SetDuration(const FieldDescriptor& field, absl::string_view text, Message* out) {
  ASSIGN_OR_RETURN(const absl::Duration value,
                   ParseInRange<absl::Duration>(field, text, absl::ZeroDuration(), absl::InfiniteDuration(), "0s", ""));
  Message* place = field.is_repeated() ? out->GetReflection()->AddMessage(out, &field)
                                       : out->GetReflection()->MutableMessage(out, &field);
  auto* duration = dynamic_cast<google::protobuf::Duration*>(place);
  if (duration == nullptr) {
    return SchemaError(field, "a duration of a dynamic type");
  }
  absl::Duration rest;
  duration->set_seconds(absl::IDivDuration(value, absl::Seconds(1), &rest));
  duration->set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(rest)));
  return absl::OkStatus();
}

}  // namespace

#define PPMM_SET(Kind, value)                                \
  do {                                                       \
    if (field.is_repeated()) {                               \
      out->GetReflection()->Add##Kind(out, &field, (value)); \
    } else {                                                 \
      out->GetReflection()->Set##Kind(out, &field, (value)); \
    }                                                        \
    return absl::OkStatus();                                 \
  } while (false)

absl::Status SetFieldFromText(const FieldDescriptor& field, absl::string_view text, Message* out) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: {
      ASSIGN_OR_RETURN(const std::int32_t value, ParseInteger<std::int32_t>(field, text));
      PPMM_SET(Int32, value);
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      ASSIGN_OR_RETURN(const std::int64_t value, ParseInteger<std::int64_t>(field, text));
      PPMM_SET(Int64, value);
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      ASSIGN_OR_RETURN(const std::uint32_t value, ParseInteger<std::uint32_t>(field, text));
      PPMM_SET(UInt32, value);
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      ASSIGN_OR_RETURN(const std::uint64_t value, ParseInteger<std::uint64_t>(field, text));
      PPMM_SET(UInt64, value);
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      constexpr double kMax = std::numeric_limits<double>::max();
      ASSIGN_OR_RETURN(const double value, ParseInRange<double>(field, text, -kMax, kMax, "", ""));
      PPMM_SET(Double, value);
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      ASSIGN_OR_RETURN(const bool value, ParseBool(text));
      PPMM_SET(Bool, value);
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      if (field.type() != FieldDescriptor::TYPE_STRING) {
        break;
      }
      PPMM_SET(String, std::string(text));
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      ASSIGN_OR_RETURN(const EnumValueDescriptor* value, ParseEnum(field, text));
      PPMM_SET(Enum, value);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (IsScalar(field)) {
        return SetDuration(field, text, out);
      }
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      break;
  }
  return SchemaError(field, "a type that configurations do not have");
}

#undef PPMM_SET

bool IsScalar(const FieldDescriptor& field) {
  return field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE ||
         field.message_type()->full_name() == google::protobuf::Duration::descriptor()->full_name();
}

std::vector<std::string> KeysOf(const google::protobuf::Descriptor& type) {
  std::vector<std::string> keys;
  keys.reserve(static_cast<std::size_t>(type.field_count()));
  for (int i = 0; i < type.field_count(); ++i) {
    keys.emplace_back(type.field(i)->name());
  }
  return keys;
}

std::string ConfigWord(const EnumValueDescriptor& value) {
  // LogLevel -> LOG_LEVEL_
  std::string prefix;
  for (const char c : value.type()->name()) {
    if (absl::ascii_isupper(static_cast<unsigned char>(c)) && !prefix.empty()) {
      prefix.push_back('_');
    }
    prefix.push_back(absl::ascii_toupper(static_cast<unsigned char>(c)));
  }
  prefix.push_back('_');
  absl::string_view name = value.name();
  if (absl::StartsWith(name, prefix)) {
    name.remove_prefix(prefix.size());
  }
  return absl::AsciiStrToLower(name);
}

}  // namespace ppmm
