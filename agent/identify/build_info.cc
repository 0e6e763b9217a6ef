#include "agent/identify/build_info.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

#include <nlohmann/json.hpp>

namespace ppmm {
namespace {

constexpr size_t kMaxHeaders = 512;          // program or section headers looked at
constexpr uint64_t kMaxNotes = 16 * 1024;    // bytes of one note segment
constexpr uint64_t kMaxBuildId = 64;         // bytes
constexpr uint64_t kMaxGoText = 64 * 1024;   // bytes of the module list; the main module stands at its head
constexpr uint64_t kMaxGoHeader = 32;        // bytes before Go's strings
constexpr size_t kMaxText = 256;             // bytes of any string we pass on
constexpr size_t kMaxNameTable = 64 * 1024;  // bytes of section names

// A section or segment, in one shape for both ELF classes.
struct Part {
  uint32_t name = 0;
  uint32_t type = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
};

class ElfFile {
 public:
  explicit ElfFile(int fd) : fd_(fd) {}

  // Up to `size` bytes at `offset`; shorter at the end of the file, empty on any failure.
  std::string ReadAt(uint64_t offset, uint64_t size) const {
    std::string out;
    if (offset > static_cast<uint64_t>(INT64_MAX) - size) {
      return out;
    }
    out.resize(size);
    size_t held = 0;
    while (held < size) {
      const ssize_t got = pread(fd_, out.data() + held, size - held, static_cast<off_t>(offset + held));
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got <= 0) {
        break;
      }
      held += static_cast<size_t>(got);
    }
    out.resize(held);
    return out;
  }

  // `size` bytes (1 to 8) of `data` at `at` as a number; 0 when they are not all there.
  uint64_t Number(absl::string_view data, uint64_t at, size_t size) const {
    if (at > data.size() || data.size() - at < size) {
      return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      const size_t index = at + (big_endian ? i : size - 1 - i);
      value = value << 8 | static_cast<unsigned char>(data[index]);
    }
    return value;
  }

  bool wide = true;
  bool big_endian = false;

 private:
  int fd_;
};

// The header table of `count` entries at `offset`; `read` turns one entry into a Part.
template <typename Read>
std::vector<Part> ReadTable(const ElfFile& elf, uint64_t offset, uint64_t entry_size, uint64_t count,
                            uint64_t least_entry_size, Read read) {
  std::vector<Part> parts;
  if (entry_size < least_entry_size || entry_size > 256) {
    return parts;
  }
  count = std::min<uint64_t>(count, kMaxHeaders);
  const std::string table = elf.ReadAt(offset, entry_size * count);
  for (uint64_t at = 0; at + entry_size <= table.size(); at += entry_size) {
    parts.push_back(read(absl::string_view(table).substr(at, entry_size)));
  }
  return parts;
}

std::string Clean(absl::string_view text) {
  std::string out(text.substr(0, kMaxText));
  out.erase(std::remove_if(out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }), out.end());
  return out;
}

void ReadPackageNote(absl::string_view json, BuildInfo& info) {
  json = json.substr(0, json.find('\0'));
  const auto note = nlohmann::json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!note.is_object()) {
    return;
  }
  const auto text = [&note](const char* key) {
    const auto it = note.find(key);
    return it != note.end() && it->is_string() ? Clean(it->get_ref<const std::string&>()) : std::string();
  };
  info.note_type = text("type");
  info.note_name = text("name");
  info.note_version = text("version");
}

// A run of notes: name size, description size, type, name, description, each padded to four bytes.
void ReadNotes(const ElfFile& elf, const Part& part, BuildInfo& info) {
  constexpr uint64_t kPackageNote = 0xcafe1a7e;
  const std::string notes = elf.ReadAt(part.offset, std::min(part.size, kMaxNotes));
  const auto padded = [](uint64_t size) { return (size + 3) & ~uint64_t{3}; };
  uint64_t at = 0;
  while (at + 12 <= notes.size()) {
    const uint64_t name_size = elf.Number(notes, at, 4);
    const uint64_t data_size = elf.Number(notes, at + 4, 4);
    const uint64_t type = elf.Number(notes, at + 8, 4);
    const uint64_t name_at = at + 12;
    const uint64_t data_at = name_at + padded(name_size);
    if (data_at > notes.size() || data_size > notes.size() - data_at) {
      return;
    }
    const absl::string_view name = absl::string_view(notes).substr(name_at, name_size);
    const absl::string_view data = absl::string_view(notes).substr(data_at, data_size);
    if (type == NT_GNU_BUILD_ID && name == absl::string_view("GNU\0", 4) && info.build_id.empty() && data_size >= 4 &&
        data_size <= kMaxBuildId) {
      info.build_id = absl::BytesToHexString(data);
    } else if (type == kPackageNote && name == absl::string_view("FDO\0", 4)) {
      ReadPackageNote(data, info);
    }
    at = data_at + padded(data_size);
  }
}

// A string of Go's build information: a varint length, then the bytes. Moves `at` past it.
std::string ReadGoString(absl::string_view data, size_t& at) {
  uint64_t size = 0;
  for (int shift = 0; at < data.size() && shift < 63; shift += 7) {
    const auto byte = static_cast<unsigned char>(data[at++]);
    size |= uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80U) == 0) {
      const std::string text(data.substr(at, size));  // at <= data.size(): a size that lies is cut by substr
      at = size > data.size() - at ? data.size() : at + size;
      return text;
    }
  }
  at = data.size();
  return "";
}

void ReadGo(const ElfFile& elf, const Part& part, BuildInfo& info) {
  const std::string data = elf.ReadAt(part.offset, std::min(part.size, kMaxGoText));
  constexpr absl::string_view kMagic("\xff Go buildinf:", 14);
  constexpr unsigned kInlineStrings = 2;
  if (data.size() < kMaxGoHeader || !absl::StartsWith(data, kMagic) ||
      (static_cast<unsigned char>(data[15]) & kInlineStrings) == 0) {
    return;
  }
  size_t at = kMaxGoHeader;
  info.go_version = Clean(ReadGoString(data, at));
  std::string modules = ReadGoString(data, at);
  constexpr size_t kFrame = 16;  // random bytes on both sides, so that the text can be found in memory
  if (modules.size() < 2 * kFrame) {
    return;
  }
  for (const absl::string_view line : absl::StrSplit(absl::string_view(modules).substr(kFrame), '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, '\t');
    if (words.size() >= 2 && words[0] == "path") {
      info.go_path = Clean(words[1]);
    } else if (words.size() >= 3 && words[0] == "mod") {
      info.go_module = Clean(words[1]);
      info.go_module_version = Clean(words[2]);
      return;
    }
  }
}

}  // namespace

absl::StatusOr<BuildInfo> ReadBuildInfo(int fd) {
  ElfFile elf(fd);
  const std::string head = elf.ReadAt(0, sizeof(Elf64_Ehdr));
  if (head.size() < sizeof(Elf32_Ehdr) || !absl::StartsWith(head, ELFMAG)) {
    return absl::InvalidArgumentError("not an ELF file");
  }
  elf.wide = head[EI_CLASS] == ELFCLASS64;
  elf.big_endian = head[EI_DATA] == ELFDATA2MSB;
  const bool wide = elf.wide;
  const auto field = [&](size_t at64, size_t size64, size_t at32, size_t size32) {
    return wide ? elf.Number(head, at64, size64) : elf.Number(head, at32, size32);
  };
  const uint64_t segments_at = field(offsetof(Elf64_Ehdr, e_phoff), 8, offsetof(Elf32_Ehdr, e_phoff), 4);
  const uint64_t segment_size = field(offsetof(Elf64_Ehdr, e_phentsize), 2, offsetof(Elf32_Ehdr, e_phentsize), 2);
  const uint64_t segment_count = field(offsetof(Elf64_Ehdr, e_phnum), 2, offsetof(Elf32_Ehdr, e_phnum), 2);
  const uint64_t sections_at = field(offsetof(Elf64_Ehdr, e_shoff), 8, offsetof(Elf32_Ehdr, e_shoff), 4);
  const uint64_t section_size = field(offsetof(Elf64_Ehdr, e_shentsize), 2, offsetof(Elf32_Ehdr, e_shentsize), 2);
  const uint64_t section_count = field(offsetof(Elf64_Ehdr, e_shnum), 2, offsetof(Elf32_Ehdr, e_shnum), 2);
  const uint64_t names_index = field(offsetof(Elf64_Ehdr, e_shstrndx), 2, offsetof(Elf32_Ehdr, e_shstrndx), 2);

  const std::vector<Part> segments =
      ReadTable(elf, segments_at, segment_size, segment_count, wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr),
                [&](absl::string_view entry) {
                  Part part;
                  part.type = static_cast<uint32_t>(elf.Number(entry, 0, 4));
                  part.offset = wide ? elf.Number(entry, offsetof(Elf64_Phdr, p_offset), 8)
                                     : elf.Number(entry, offsetof(Elf32_Phdr, p_offset), 4);
                  part.size = wide ? elf.Number(entry, offsetof(Elf64_Phdr, p_filesz), 8)
                                   : elf.Number(entry, offsetof(Elf32_Phdr, p_filesz), 4);
                  return part;
                });
  const std::vector<Part> sections =
      ReadTable(elf, sections_at, section_size, section_count, wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr),
                [&](absl::string_view entry) {
                  Part part;
                  part.name = static_cast<uint32_t>(elf.Number(entry, 0, 4));
                  part.type = static_cast<uint32_t>(elf.Number(entry, 4, 4));
                  part.offset = wide ? elf.Number(entry, offsetof(Elf64_Shdr, sh_offset), 8)
                                     : elf.Number(entry, offsetof(Elf32_Shdr, sh_offset), 4);
                  part.size = wide ? elf.Number(entry, offsetof(Elf64_Shdr, sh_size), 8)
                                   : elf.Number(entry, offsetof(Elf32_Shdr, sh_size), 4);
                  return part;
                });

  BuildInfo info;
  int notes_read = 0;
  constexpr int kMaxNoteSegments = 8;
  for (const Part& part : segments) {
    if (part.type == PT_NOTE && notes_read++ < kMaxNoteSegments) {
      ReadNotes(elf, part, info);
    }
  }
  if (names_index < sections.size()) {
    const Part& table = sections[names_index];
    const std::string names = elf.ReadAt(table.offset, std::min<uint64_t>(table.size, kMaxNameTable));
    for (const Part& part : sections) {
      if (part.name < names.size() &&
          absl::StartsWith(absl::string_view(names).substr(part.name), absl::string_view(".go.buildinfo\0", 14))) {
        ReadGo(elf, part, info);
        break;
      }
    }
  }
  return info;
}

}  // namespace ppmm
