// Text that comes from outside, made fit for terminals, pages and metrics: escaped, measured and cut. Pure.
//
// Who looks at a name shall see what it is: bytes that are no UTF-8, control characters and characters that nobody
// sees (zero width, marks of direction, tags) are escaped, everything else stays as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace ppmm {

inline constexpr std::uint32_t kNoCharacter = 0xFFFFFFFF;

// The character at `at`, which is moved behind it. What is no valid UTF-8 (overlong forms, surrogates and what lies
// beyond Unicode included) is kNoCharacter and moves by one byte. Shape: `at` lies inside the text.
std::uint32_t NextCharacter(absl::string_view text, std::size_t* at);

// C0, C1 and DEL: they drive terminals.
bool IsControlCharacter(std::uint32_t c);
// Zero width, line and direction marks, tags: they make a name look like another.
bool IsDeceptiveCharacter(std::uint32_t c);

// Escapes what is invalid, a control or deceptive, byte by byte as \xNN. For what is shown (process names, paths,
// messages). Shape: at most `max_bytes` bytes of result, cut at a character.
std::string EscapeForDisplay(absl::string_view text, std::size_t max_bytes = 256);

// As EscapeForDisplay, and a backslash becomes two, so that no two texts give one: for what tells things apart. Text of
// printable ASCII without a backslash stays as it is. Shape: the same; cut, two texts may give one.
std::string EscapeExactly(absl::string_view text, std::size_t max_bytes = std::string::npos);

// Columns of a terminal that a UTF-8 text takes: two for the wide characters of East Asia and for pictures, none for
// marks that stand above or below another, one for each other.
int DisplayWidth(absl::string_view text);

// Cut to `width` columns, the last of them "…" where something is missing.
std::string CutTo(absl::string_view text, int width);

}  // namespace ppmm
