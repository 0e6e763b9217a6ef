#include "cli/table.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ppmm {
namespace {

constexpr int kGap = 2;

int TotalWidth(const std::vector<int>& widths, const std::vector<bool>& shown) {
  int total = -kGap;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    total += shown[i] ? widths[i] + kGap : 0;
  }
  return total;
}

}  // namespace

std::vector<int> Table::Widths(const std::vector<bool>& shown) const {
  std::vector<int> widths(columns_.size(), 0);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (shown[i]) {
      widths[i] = DisplayWidth(columns_[i].heading);
      for (const std::vector<Cell>& row : rows_) {
        widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
      }
    }
  }
  return widths;
}

std::string Table::Render(const Screen& screen, int indent, std::vector<std::string>* left_out) const {
  const int room = screen.width - indent;
  std::vector<bool> shown(columns_.size(), true);
  std::vector<int> widths = Widths(shown);
  const auto excess = [&] { return TotalWidth(widths, shown) - room; };
  // The widest flexible column gives way, column by column.
  const auto cut = [&](int narrowest) {
    while (excess() > 0) {
      int* widest = nullptr;
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        if (shown[i] && columns_[i].flexible && widths[i] > std::max(narrowest, columns_[i].least) &&
            (widest == nullptr || widths[i] > *widest)) {
          widest = &widths[i];
        }
      }
      if (widest == nullptr) {
        return;
      }
      --*widest;
    }
  };
  const auto leave_out = [&](bool Column::*may_be, int narrowest) {
    cut(narrowest);
    for (std::size_t i = columns_.size(); i-- > 0 && excess() > 0;) {
      if (columns_[i].*may_be && shown[i]) {
        shown[i] = false;
        widths = Widths(shown);
        cut(narrowest);
      }
    }
  };
  leave_out(&Column::optional, kReadableColumn);
  leave_out(&Column::last_resort, kNarrowestColumn);
  for (std::size_t i = 0; left_out != nullptr && i < columns_.size(); ++i) {
    if (!shown[i]) {
      left_out->push_back(columns_[i].heading);
    }
  }

  std::string out;
  const auto add_line = [&](const auto& cell_of) {
    std::string line(static_cast<std::size_t>(indent), ' ');
    int missing = 0;  // blanks that are owed
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (!shown[i]) {
        continue;
      }
      const auto& [text, tone] = cell_of(i);
      const std::string cell = CutTo(text, widths[i]);
      const int blanks = widths[i] - DisplayWidth(cell);
      if (!cell.empty()) {
        missing += columns_[i].right ? blanks : 0;
        line.append(static_cast<std::size_t>(missing), ' ');
        line += Toned(screen, tone, cell);
        missing = columns_[i].right ? kGap : blanks + kGap;
      } else {
        missing += blanks + kGap;
      }
    }
    absl::StrAppend(&out, line, "\n");
  };
  const bool headed = std::any_of(columns_.begin(), columns_.end(), [](const Column& c) { return !c.heading.empty(); });
  if (headed) {
    add_line([&](std::size_t i) { return std::pair(columns_[i].heading, Tone::kDim); });
  }
  for (const std::vector<Cell>& row : rows_) {
    add_line([&](std::size_t i) { return std::pair(row[i].text, row[i].tone); });
  }
  return out;
}

}  // namespace ppmm
