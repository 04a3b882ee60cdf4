# SPDX-License-Identifier: Apache-2.0
# The ESP8266's CPU: Debian's gcc-xtensa-lx106 and picolibc-xtensa-lx106-elf, flags as the ESP8266
# Arduino core compiles C (-Os -mlongcalls -mtext-section-literals), library code only.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR xtensa)
set(CMAKE_C_COMPILER xtensa-lx106-elf-gcc)
set(CMAKE_AR xtensa-lx106-elf-ar)
set(CMAKE_RANLIB xtensa-lx106-elf-ranlib)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS_INIT "-mlongcalls -mtext-section-literals -ffunction-sections -fdata-sections -isystem /usr/lib/xtensa-lx106-elf/include")
set(CMAKE_C_FLAGS_MINSIZEREL "-Os")
set(ELO_BEARSSL_INCLUDE /usr/include/bearssl CACHE PATH "" FORCE)
