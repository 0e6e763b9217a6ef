// Programs that run on the host: what their files say of their making. Input: the file.
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "agent/identify/build_info.h"
#include "tests/fuzz/fuzz.h"

namespace ppmm::fuzz {
namespace {

template <class T>
std::string Bytes(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <class Header, class Segment, class Section>
std::string MakeElf(unsigned char elf_class) {
  const std::string note = Bytes(Elf32_Nhdr{4, 8, NT_GNU_BUILD_ID}) + std::string("GNU\0\1\2\3\4\5\6\7\10", 12);
  const std::string json = R"({"type":"deb","name":"shop","version":"1"})" + std::string(2, '\0');
  const std::string package =
      Bytes(Elf32_Nhdr{4, static_cast<Elf32_Word>(json.size()), 0xcafe1a7e}) + std::string("FDO\0", 4) + json;
  const std::string go = std::string("\xff Go buildinf:", 14) + std::string("\x08\x02", 2) + std::string(16, '\0') +
                         "\x08go1.21.4" + "\x2f" + std::string(16, '0') + "path\texample.org/x\n" +
                         std::string(12, '0');
  const std::string names("\0.go.buildinfo\0", 15);
  Header head{};
  std::memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = elf_class;
  head.e_ident[EI_DATA] = ELFDATA2LSB;
  head.e_phoff = sizeof(Header);
  head.e_phentsize = sizeof(Segment);
  head.e_phnum = 1;
  head.e_shentsize = sizeof(Section);
  head.e_shnum = 2;
  Segment segment{};
  segment.p_type = PT_NOTE;
  segment.p_offset = sizeof(Header) + sizeof(Segment);
  segment.p_filesz = static_cast<decltype(segment.p_filesz)>(note.size() + package.size());
  Section names_section{};
  names_section.sh_offset = segment.p_offset + segment.p_filesz;
  names_section.sh_size = static_cast<decltype(names_section.sh_size)>(names.size());
  Section go_section{};
  go_section.sh_name = 1;
  go_section.sh_offset = names_section.sh_offset + names_section.sh_size;
  go_section.sh_size = static_cast<decltype(go_section.sh_size)>(go.size());
  head.e_shoff = go_section.sh_offset + go_section.sh_size;
  return Bytes(head) + Bytes(segment) + note + package + names + go + Bytes(names_section) + Bytes(go_section);
}

}  // namespace

void Run(absl::string_view input) {
  static const int file = memfd_create("elf", MFD_CLOEXEC);
  Require(ftruncate(file, 0) == 0, "the file can be emptied");
  Require(pwrite(file, input.data(), input.size(), 0) == static_cast<ssize_t>(input.size()), "and written");
  const absl::StatusOr<BuildInfo> info = ReadBuildInfo(file);
  if (info.ok()) {
    const std::size_t said = info->build_id.size() / 2 + info->note_name.size() + info->go_path.size();
    Require(said <= 3 * input.size(), "no more is said than is there");
  }
}

std::vector<std::string> Seeds() {
  return {MakeElf<Elf64_Ehdr, Elf64_Phdr, Elf64_Shdr>(ELFCLASS64),
          MakeElf<Elf32_Ehdr, Elf32_Phdr, Elf32_Shdr>(ELFCLASS32)};
}

}  // namespace ppmm::fuzz
