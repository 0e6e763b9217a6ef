// Aligned columns that fit the screen: flexible columns are cut as long as they stay readable, then optional ones are
// left out, the last first, then flexible ones are cut to the bone, then those of the last resort are left out. Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/screen.h"

namespace ppmm {

struct Column {
  std::string heading;
  bool right = false;        // numbers
  bool flexible = false;     // may be cut, down to kNarrowestColumn
  bool optional = false;     // may be left out where the screen is too narrow
  int least = 0;             // of a flexible one: not cut below, for what must be read whole, like a command
  bool last_resort = false;  // may be left out where cutting does not help
};

struct Cell {
  Cell(std::string cell_text, Tone cell_tone = Tone::kPlain)  // NOLINT(google-explicit-constructor): rows are lists
      : text(std::move(cell_text)), tone(cell_tone) {}
  Cell(const char* cell_text) : text(cell_text) {}  // NOLINT(google-explicit-constructor)
  std::string text;
  Tone tone = Tone::kPlain;
};

// What a cell shows: the text, or "-" where there is none.
inline std::string DashFor(std::string text) {
  return text.empty() ? "-" : text;
}

inline constexpr int kReadableColumn = 32;
inline constexpr int kNarrowestColumn = 12;

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Shape: as many cells as columns.
  void AddRow(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }

  // Headings and rows, each line ended, indented by `indent` columns, no blanks at ends of lines. `left_out` gets the
  // headings of what did not fit, in order.
  std::string Render(const Screen& screen, int indent = 0, std::vector<std::string>* left_out = nullptr) const;

 private:
  std::vector<int> Widths(const std::vector<bool>& shown) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace ppmm
