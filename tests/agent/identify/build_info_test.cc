#include "agent/identify/build_info.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "agent/identify/host_root.h"

namespace ppmm {
namespace {

template <typename T>
std::string Bytes(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string Note(uint32_t type, absl::string_view name, std::string data) {
  const auto size = static_cast<uint32_t>(data.size());
  data.resize((data.size() + 3) & ~size_t{3});
  return absl::StrCat(Bytes(uint32_t{4}), Bytes(size), Bytes(type), absl::string_view(name.data(), 4), data);
}

std::string GoText(absl::string_view text) {
  std::string size;
  size_t left = text.size();
  while (left >= 0x80) {
    size.push_back(static_cast<char>(left | 0x80));
    left >>= 7;
  }
  size.push_back(static_cast<char>(left));
  return absl::StrCat(size, text);
}

// A little-endian 64-bit ELF file of one note segment and two sections: names and Go's.
std::string MakeElf() {
  const std::string notes = absl::StrCat(
      Note(NT_GNU_BUILD_ID, absl::string_view("GNU\0", 4), std::string("\x01\x02\x03\x04\xab\xcd\xef\x10", 8)),
      Note(0xcafe1a7e, absl::string_view("FDO\0", 4),
           "{\"type\":\"deb\",\"name\":\"shopd-15\",\"version\":\"15.3-1\",\"os\":\"distro\"}"));
  const std::string frame(16, '\x30');
  std::string go = std::string("\xff Go buildinf:", 14) + std::string("\x08\x02", 2) + std::string(16, '\0');
  go += GoText("go1.21.4");
  go += GoText(absl::StrCat(frame, "path\texample.org/shop/cmd/shop\nmod\texample.org/shop\tv1.4.0\th1:abc=\n", frame));
  const std::string names("\0.shstrtab\0.go.buildinfo\0", 25);

  const uint64_t notes_at = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
  const uint64_t go_at = notes_at + notes.size();
  const uint64_t names_at = go_at + go.size();
  Elf64_Ehdr head{};
  std::memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64;
  head.e_ident[EI_DATA] = ELFDATA2LSB;
  head.e_phoff = sizeof head;
  head.e_phentsize = sizeof(Elf64_Phdr);
  head.e_phnum = 1;
  head.e_shoff = names_at + names.size();
  head.e_shentsize = sizeof(Elf64_Shdr);
  head.e_shnum = 2;
  head.e_shstrndx = 0;
  Elf64_Phdr segment{};
  segment.p_type = PT_NOTE;
  segment.p_offset = notes_at;
  segment.p_filesz = notes.size();
  Elf64_Shdr names_section{};
  names_section.sh_name = 1;
  names_section.sh_offset = names_at;
  names_section.sh_size = names.size();
  Elf64_Shdr go_section{};
  go_section.sh_name = 11;
  go_section.sh_offset = go_at;
  go_section.sh_size = go.size();
  return absl::StrCat(Bytes(head), Bytes(segment), notes, go, names, Bytes(names_section), Bytes(go_section));
}

absl::StatusOr<BuildInfo> Read(absl::string_view content) {
  const OpenFile file(memfd_create("elf", 0));
  EXPECT_EQ(write(file.fd(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  return ReadBuildInfo(file.fd());
}

TEST(BuildInfo, BuildIdPackageNoteAndGoModuleAreRead) {
  const auto info = Read(MakeElf());
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->build_id, "01020304abcdef10");
  EXPECT_EQ(info->note_type, "deb");
  EXPECT_EQ(info->note_name, "shopd-15");
  EXPECT_EQ(info->note_version, "15.3-1");
  EXPECT_EQ(info->go_version, "go1.21.4");
  EXPECT_EQ(info->go_path, "example.org/shop/cmd/shop");
  EXPECT_EQ(info->go_module, "example.org/shop");
  EXPECT_EQ(info->go_module_version, "v1.4.0");
}

TEST(BuildInfo, OurOwnProgramIsAnElfFile) {
  const OpenFile file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(ReadBuildInfo(file.fd()).ok());
}

TEST(BuildInfo, WhatIsNoElfFileIsAnError) {
  EXPECT_EQ(Read("#!/bin/sh\nexec true\n").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Read("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Read(std::string(64, '\0')).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(BuildInfo, EveryTruncationIsSurvived) {
  const std::string whole = MakeElf();
  for (size_t size = 0; size < whole.size(); ++size) {
    Read(absl::string_view(whole).substr(0, size)).status().IgnoreError();  // surviving is the test
  }
}

TEST(BuildInfo, EveryChangedByteIsSurvivedAndBoundsWhatIsSaid) {
  const std::string whole = MakeElf();
  std::mt19937 random(7);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0x00, 0x7f, 0x80, 0xff, static_cast<int>(random() & 0xff)}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      if (const auto info = Read(changed); info.ok()) {
        EXPECT_LE(info->build_id.size(), 128u);
        EXPECT_LE(info->go_module.size(), 256u);
        EXPECT_LE(info->note_name.size(), 256u);
      }
    }
  }
}

TEST(BuildInfo, RandomDamageIsSurvived) {
  const std::string whole = MakeElf();
  std::mt19937 random(11);
  for (int round = 0; round < 3'000; ++round) {
    std::string changed = whole;
    for (int i = 0; i < 12; ++i) {
      changed[random() % changed.size()] = static_cast<char>(random());
    }
    changed.replace(0, 6,
                    std::string("\x7f"
                                "ELF\x02\x01",
                                6));
    Read(changed).status().IgnoreError();  // surviving is the test
  }
}

}  // namespace
}  // namespace ppmm
