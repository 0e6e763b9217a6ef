# ppmm_library, ppmm_test: the two kinds of target this project has, with our warnings.

set(PPMM_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
    -Wimplicit-fallthrough -Wextra-semi -Wcast-qual -Wformat=2 -Wundef -Wold-style-cast
    -Wsuggest-override)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  list(APPEND PPMM_WARNINGS -Wthread-safety)
else()
  # -Wrestrict of gcc 12 accuses correct string concatenations (gcc bug 105651).
  list(APPEND PPMM_WARNINGS -Wduplicated-cond -Wlogical-op -Wno-restrict)
endif()
if(WERROR)
  list(APPEND PPMM_WARNINGS -Werror)
endif()
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)

# ppmm_library(NAME SOURCES a.cc b.cc [LIBS x y])
function(ppmm_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${PPMM_WARNINGS}>)
  if(FUZZERS)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer-no-link)  # what libFuzzer steers by
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LIBS})
  if(UNITY)
    # Names in unnamed namespaces must not repeat within a library.
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

# The headers of many tests, compiled once: tests/precompiled.h. Defined before any ppmm_test.
function(ppmm_test_headers)
  add_executable(test_headers EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/precompiled.cc)
  ppmm_test_options(test_headers)
  target_link_libraries(test_headers PRIVATE GTest::gmock_main)
  target_precompile_headers(test_headers PRIVATE <tests/precompiled.h>)  # not by its path, for ccache
endfunction()

# What must be the same for tests and their precompiled headers.
function(ppmm_test_options name)
  # Optimizing more costs more than it saves in a test that runs for milliseconds.
  # -pthread: tests that link gRPC have it, and it is a macro.
  target_compile_options(${name} PRIVATE ${PPMM_WARNINGS} -O1 -pthread)
  # For ccache; and a header as old and as long as before is the same header.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${name} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  else()
    # With less optimization gcc 12 accuses correct string concatenations of this, too (gcc bug 105651).
    target_compile_options(${name} PRIVATE -fpch-preprocess -Wno-array-bounds -Wno-stringop-overflow)
  endif()
endfunction()

# ppmm_test(NAME SOURCES a_test.cc [LIBS x] [LABELS unit threads bpf servers e2e world]
#           [TIMEOUT seconds] [SERIAL])
# One program a test file. SERIAL: nothing else runs beside it (kernel, ports, whole-system load).
function(ppmm_test name)
  cmake_parse_arguments(ARG "SERIAL" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  add_executable(${name} EXCLUDE_FROM_ALL ${ARG_SOURCES})
  ppmm_test_options(${name})
  target_precompile_headers(${name} REUSE_FROM test_headers)
  target_compile_definitions(${name} PRIVATE
    PPMM_SOURCE_DIR="${CMAKE_SOURCE_DIR}" PPMM_TESTDATA="${CMAKE_SOURCE_DIR}/tests/testdata")
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} GTest::gmock_main)
  add_dependencies(tests ${name})
  if("threads" IN_LIST ARG_LABELS)
    add_dependencies(tests_threads ${name})
  endif()
  # The labels that tests/run leaves out under the address sanitizer: what only they need is not built there.
  if(NOT ARG_LABELS MATCHES "servers|bpf|world|e2e")
    add_dependencies(tests_asan ${name})
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
    RUN_SERIAL $<BOOL:${ARG_SERIAL}> SKIP_RETURN_CODE 77)
endfunction()
