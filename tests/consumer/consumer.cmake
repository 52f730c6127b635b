# Installs a build and builds others against what was installed, by
# find_package and by pkg-config, in C and, where there is a compiler, C++.
#   BUILD       build folder to install; with LIBRARY_SOURCE it is first
#               configured there as a shared library and built
#   PROJECT, WORK, MODEL, GENERATOR, COMPILER, FLAGS, NM
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT
    COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# run_consumer(program): it must see the model of samples/glyphs.
function(run_consumer program)
  execute_process(COMMAND "${program}" "${MODEL}" OUTPUT_VARIABLE said
    COMMAND_ERROR_IS_FATAL ANY)
  message(STATUS "${program}: ${said}")
  if(NOT said MATCHES "^[0-9]+\\.[0-9]+\\.[0-9]+: [1-9][0-9]+ nodes, ")
    message(FATAL_ERROR "${program} says: ${said}")
  endif()
endfunction()

set(prefix "${WORK}/prefix")
file(REMOVE_RECURSE "${prefix}" "${WORK}/by-cmake")
file(MAKE_DIRECTORY "${WORK}")
if(LIBRARY_SOURCE)
  run("${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${LIBRARY_SOURCE}" -B "${BUILD}"
    "-DCMAKE_C_COMPILER=${COMPILER}" -DCMAKE_BUILD_TYPE=Release
    "-DCMAKE_C_FLAGS_RELEASE=-O0 -DNDEBUG" -DBUILD_SHARED_LIBS=ON
    -DBUILD_TESTING=OFF -DONNXQUANT_BUILD_CLI=OFF)
  run("${CMAKE_COMMAND}" --build "${BUILD}")
endif()
run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${prefix}")

run("${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${PROJECT}" -B "${WORK}/by-cmake"
  "-DCMAKE_C_COMPILER=${COMPILER}" "-DCMAKE_PREFIX_PATH=${prefix}"
  "-DCMAKE_C_FLAGS=${FLAGS}" "-DCMAKE_CXX_FLAGS=${FLAGS}")
run("${CMAKE_COMMAND}" --build "${WORK}/by-cmake")
run_consumer("${WORK}/by-cmake/consumer")
if(EXISTS "${WORK}/by-cmake/consumer_cxx")
  run_consumer("${WORK}/by-cmake/consumer_cxx")
endif()

file(GLOB_RECURSE pc "${prefix}/*/onnxquant.pc")
get_filename_component(pc_folder "${pc}" DIRECTORY)
get_filename_component(lib_folder "${pc_folder}" DIRECTORY)
set(ENV{PKG_CONFIG_PATH} "${pc_folder}")
set(ENV{LD_LIBRARY_PATH} "${lib_folder}")
execute_process(COMMAND pkg-config --cflags --libs onnxquant
  OUTPUT_VARIABLE pc_flags OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(pc_flags UNIX_COMMAND "${pc_flags}")
separate_arguments(flags UNIX_COMMAND "${FLAGS}")
run("${COMPILER}" ${flags} "${PROJECT}/consumer.c" -o "${WORK}/by-pkg-config"
  ${pc_flags})
run_consumer("${WORK}/by-pkg-config")

# A shared library shows what is declared with OQ_API, and nothing else.
if(LIBRARY_SOURCE)
  execute_process(COMMAND "${NM}" -D --defined-only
    "${lib_folder}/libonnxquant.so" OUTPUT_VARIABLE shown
    COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^ \n]+\n" shown "${shown}")
  list(TRANSFORM shown STRIP)
  list(SORT shown)
  file(GLOB headers "${prefix}/include/onnxquant/*.h")
  set(declared)
  foreach(header IN LISTS headers)
    file(READ "${header}" text)
    # The name is the last word before the first bracket.
    string(REGEX MATCHALL "\nOQ_API [^(;]*\\(" found "${text}")
    list(TRANSFORM found REPLACE ".*[ *\n]([a-z0-9_]+)\\($" "\\1")
    list(APPEND declared ${found})
  endforeach()
  list(SORT declared)
  list(LENGTH declared n)
  if(n LESS 20 OR NOT declared STREQUAL shown)
    set(extra ${shown})
    set(missing ${declared})
    list(REMOVE_ITEM extra ${declared})
    list(REMOVE_ITEM missing ${shown})
    message(FATAL_ERROR "${n} functions are declared; shown but not declared: "
      "${extra}; declared but not shown: ${missing}")
  endif()
  message(STATUS "${n} functions, all of them shown, nothing else")
endif()
