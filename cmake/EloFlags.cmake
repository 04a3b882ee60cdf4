# SPDX-License-Identifier: Apache-2.0
# Options and compiler flags, one place for every target.
option(ELO_TESTS "Build the tests" ON)
option(ELO_FUZZ "Build the libFuzzer targets (clang only)" OFF)
option(ELO_BENCH "Build the benchmarks" OFF)
option(ELO_DEVICE_ONLY "Build lib/ alone, for a device's compiler" OFF)
set(ELO_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=: address,undefined or thread")
set(ELO_BEARSSL_LIBRARY bearssl CACHE STRING "The BearSSL library to link; empty: none")
set(ELO_BEARSSL_INCLUDE "" CACHE PATH "Where bearssl.h is, if not on the default path")

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT ELO_DEVICE_ONLY) # a device's image is linked to one address, as the Arduino core does it
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
endif()

if(CMAKE_C_COMPILER_ID STREQUAL "GNU") # clang's inlines what the device's stack limit is measured by
  set(CMAKE_C_FLAGS_DEBUG "-Og -g" CACHE STRING "" FORCE) # the models take half the time of -O0
else()
  set(CMAKE_C_FLAGS_DEBUG "-g" CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g" CACHE STRING "" FORCE) # asserts stay: they are cheap

set(ELO_WARNINGS -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wvla -Wmissing-prototypes
    -Wstrict-prototypes -Wundef -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough -Werror)

if(ELO_SANITIZE)
  add_compile_options(-fsanitize=${ELO_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${ELO_SANITIZE})
endif()
if(ELO_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# elo_flags(TARGET C99|C11): warnings are errors; C99 is strict (-pedantic), for lib/.
function(elo_flags target standard)
  target_compile_options(${target} PRIVATE ${ELO_WARNINGS})
  if(standard STREQUAL "C99")
    target_compile_options(${target} PRIVATE -std=c99 -pedantic)
  else()
    target_compile_options(${target} PRIVATE -std=c11)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  endif()
  target_compile_definitions(${target} PRIVATE ELO_VERSION="${ELO_VERSION}")
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/lib/src ${CMAKE_SOURCE_DIR})
endfunction()
