# cmake -DPROGRAM=... -DFOLDER=... [-DARCHIVE=...] -P run.cmake
# Unpacks ARCHIVE into FOLDER once, then runs PROGRAM on FOLDER.
if(ARCHIVE AND NOT EXISTS "${FOLDER}/.complete")
  if(NOT EXISTS "${ARCHIVE}")
    message("SKIPPED: ${ARCHIVE} is not there")
    return()
  endif()
  file(MAKE_DIRECTORY "${FOLDER}")
  find_program(ZSTD zstd)
  if(ZSTD)
    execute_process(COMMAND "${ZSTD}" -dc --long=27 "${ARCHIVE}"
      COMMAND "${CMAKE_COMMAND}" -E tar xf -
      WORKING_DIRECTORY "${FOLDER}" RESULTS_VARIABLE results
      OUTPUT_QUIET)
  endif()
  if(NOT ZSTD OR NOT results STREQUAL "0;0")
    execute_process(COMMAND "${CMAKE_COMMAND}" -E tar xf "${ARCHIVE}"
      WORKING_DIRECTORY "${FOLDER}" RESULT_VARIABLE result)
    if(result)
      message("SKIPPED: ${ARCHIVE} cannot be unpacked here")
      return()
    endif()
  endif()
  file(WRITE "${FOLDER}/.complete" "")
endif()
if(NOT IS_DIRECTORY "${FOLDER}")
  message("SKIPPED: ${FOLDER} is not there")
  return()
endif()
execute_process(COMMAND "${PROGRAM}" "${FOLDER}" RESULT_VARIABLE result)
if(result)
  message(FATAL_ERROR "round trip failed (${result})")
endif()
