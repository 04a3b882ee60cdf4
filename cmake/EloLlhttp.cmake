# SPDX-License-Identifier: Apache-2.0
# elo_llhttp: the HTTP/1.1 parser. Debian 13 has it as a library (libllhttp-dev); Debian 12 ships
# its three source files inside node-llhttp, which build on their own.
find_path(LLHTTP_INCLUDE llhttp.h PATHS /usr/include /usr/share/llhttp)
find_library(LLHTTP_LIBRARY llhttp)
if(LLHTTP_LIBRARY)
  add_library(elo_llhttp INTERFACE)
  target_link_libraries(elo_llhttp INTERFACE ${LLHTTP_LIBRARY})
elseif(LLHTTP_INCLUDE)
  enable_language(C)
  add_library(elo_llhttp STATIC ${LLHTTP_INCLUDE}/api.c ${LLHTTP_INCLUDE}/http.c
              ${LLHTTP_INCLUDE}/llhttp.c)
else()
  message(FATAL_ERROR "llhttp not found: install libllhttp-dev (Debian 13) or node-llhttp (12)")
endif()
target_include_directories(elo_llhttp SYSTEM INTERFACE ${LLHTTP_INCLUDE})
