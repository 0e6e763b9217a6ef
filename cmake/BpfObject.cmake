# ppmm_bpf(NAME x.bpf.c): compiles a BPF program and gives the interface target NAME_skel; its users include
# "NAME.skel.h", the loader that bpftool writes. For whatever compiler the host side has, BPF needs clang.

find_program(PPMM_BPF_CLANG NAMES clang-14 clang REQUIRED)
find_program(PPMM_BPF_STRIP NAMES llvm-strip-14 llvm-strip REQUIRED)
find_program(PPMM_BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|i.86)$")
  set(PPMM_BPF_ARCH x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(PPMM_BPF_ARCH arm64)
else()
  set(PPMM_BPF_ARCH ${CMAKE_SYSTEM_PROCESSOR})
endif()

function(ppmm_bpf name source)
  set(input ${CMAKE_CURRENT_SOURCE_DIR}/${source})
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/skeletons)
  set(object ${folder}/${name}.bpf.o)
  set(skeleton ${folder}/${name}.skel.h)
  file(MAKE_DIRECTORY ${folder})
  # -mcpu=v3 (kernel 5.12) has the atomic exchange. <asm/types.h> lies in the folder of the host's architecture.
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${PPMM_BPF_CLANG} -g -O2 -Wall -Wextra -Wno-unused-parameter -target bpf -mcpu=v3
            -D__TARGET_ARCH_${PPMM_BPF_ARCH} -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -MD -MF ${object}.d -c ${input} -o ${object}
    COMMAND ${PPMM_BPF_STRIP} -g ${object}
    DEPENDS ${input}
    DEPFILE ${object}.d
    COMMENT "BPF program ${source}"
    VERBATIM)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${PPMM_BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}
    DEPENDS ${object}
    COMMENT "BPF skeleton ${name}"
    VERBATIM)
  add_custom_target(${name}_skel_file DEPENDS ${skeleton})
  add_library(${name}_skel INTERFACE)
  add_dependencies(${name}_skel ${name}_skel_file)
  target_include_directories(${name}_skel SYSTEM INTERFACE ${folder})
  target_link_libraries(${name}_skel INTERFACE PkgConfig::BPF)
endfunction()
