# SPDX-License-Identifier: Apache-2.0
# elo_llhttp: the HTTP/1.1 parser. Debian 13 has it as a library (libllhttp-dev); Debian 12 ships
# its three source files inside node-llhttp, which build on their own.
find_library(LLHTTP_LIBRARY llhttp)
find_path(LLHTTP_INCLUDE llhttp.h PATHS /usr/share/include/llhttp)
find_path(LLHTTP_SOURCES llhttp.c PATHS /usr/share/llhttp)
if(NOT LLHTTP_INCLUDE)
  message(FATAL_ERROR "llhttp not found: install libllhttp-dev (Debian 13) or node-llhttp (12)")
elseif(LLHTTP_LIBRARY)
  add_library(elo_llhttp INTERFACE)
  target_link_libraries(elo_llhttp INTERFACE ${LLHTTP_LIBRARY})
else()
  add_library(elo_llhttp STATIC ${LLHTTP_SOURCES}/api.c ${LLHTTP_SOURCES}/http.c
              ${LLHTTP_SOURCES}/llhttp.c)
  target_include_directories(elo_llhttp PRIVATE ${LLHTTP_INCLUDE})
endif()
target_include_directories(elo_llhttp SYSTEM INTERFACE ${LLHTTP_INCLUDE})
