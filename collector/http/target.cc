#include "collector/http/target.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "common/status.h"

namespace ppmm::http {
namespace {

constexpr size_t kMaxTarget = 4096;
constexpr size_t kMaxSegments = 16;
constexpr size_t kMaxParameters = 64;

int HexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

absl::StatusOr<std::string> PercentDecode(absl::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) {
      c = ' ';
    } else if (c == '%') {
      const int high = i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return absl::InvalidArgumentError("a % in the address is not followed by two hexadecimal digits");
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError("control character in the address");
    }
    out.push_back(c);
  }
  return out;
}

}  // namespace

absl::StatusOr<Target> ParseTarget(absl::string_view target) {
  if (target.size() > kMaxTarget) {
    return absl::InvalidArgumentError(absl::StrCat("the address is longer than ", kMaxTarget, " bytes"));
  }
  if (!absl::StartsWith(target, "/")) {
    return absl::InvalidArgumentError("the address must begin with / (this is not a proxy)");
  }
  const size_t mark = target.find('?');
  const absl::string_view path = target.substr(1, mark == absl::string_view::npos ? mark : mark - 1);
  Target result;
  if (!path.empty()) {
    for (absl::string_view segment : absl::StrSplit(path, '/')) {
      if (result.segments.size() == kMaxSegments) {
        return absl::InvalidArgumentError(absl::StrCat("the path has more than ", kMaxSegments, " parts"));
      }
      ASSIGN_OR_RETURN(std::string decoded, PercentDecode(segment, false));
      result.segments.push_back(std::move(decoded));
    }
  }
  if (mark == absl::string_view::npos) {
    return result;
  }
  for (absl::string_view item : absl::StrSplit(target.substr(mark + 1), '&', absl::SkipEmpty())) {
    if (result.query.items().size() == kMaxParameters) {
      return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxParameters, " query parameters"));
    }
    const std::pair<absl::string_view, absl::string_view> pair = absl::StrSplit(item, absl::MaxSplits('=', 1));
    ASSIGN_OR_RETURN(std::string name, PercentDecode(pair.first, true));
    ASSIGN_OR_RETURN(std::string value, PercentDecode(pair.second, true));
    result.query.Add(std::move(name), std::move(value));
  }
  return result;
}

std::string PercentEncode(absl::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

}  // namespace ppmm::http
