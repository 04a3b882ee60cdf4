# SPDX-License-Identifier: Apache-2.0
# Which commit is built, for awsiot_build_info. Sources that are in no git of their own - a tarball,
# or that beside another project's files - are "unknown", so that they build the same everywhere.
set(ELO_COMMIT "" CACHE STRING "The commit that is built; empty: git is asked")

set(elo_commit "${ELO_COMMIT}")
if(NOT elo_commit AND EXISTS ${CMAKE_SOURCE_DIR}/.git)
  find_package(Git QUIET)
endif()
if(GIT_FOUND AND NOT elo_commit)
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD
                  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE elo_commit
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  # The next commit is another one: its log grows.
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --git-path logs/HEAD
                  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE elo_commits
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  get_filename_component(elo_commits "${elo_commits}" ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})
  if(EXISTS ${elo_commits} AND NOT IS_DIRECTORY ${elo_commits})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${elo_commits})
  endif()
endif()
if(NOT elo_commit)
  set(elo_commit unknown)
endif()
set_source_files_properties(server/main/serve.c PROPERTIES
                            COMPILE_DEFINITIONS "ELO_COMMIT=\"${elo_commit}\"")
