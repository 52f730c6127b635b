# onnxquant_protobuf_c(target file.proto): an object library of the code that
# protoc-c makes, built without our warnings; never committed.
find_program(PROTOC_C protoc-c)
if(NOT PROTOC_C)
  message(FATAL_ERROR "protoc-c is missing: apt-get install protobuf-c-compiler")
endif()

function(onnxquant_protobuf_c target proto)
  get_filename_component(stem "${proto}" NAME_WE)
  get_filename_component(folder "${proto}" DIRECTORY)
  set(out "${CMAKE_CURRENT_BINARY_DIR}/proto")
  file(MAKE_DIRECTORY "${out}")
  add_custom_command(
    OUTPUT "${out}/${stem}.pb-c.c" "${out}/${stem}.pb-c.h"
    COMMAND "${PROTOC_C}" --proto_path=${folder} --c_out=${out} "${proto}"
    DEPENDS "${proto}" VERBATIM)
  add_library(${target} OBJECT "${out}/${stem}.pb-c.c" "${out}/${stem}.pb-c.h")
  target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${out}>")
  target_link_libraries(${target} PUBLIC PkgConfig::protobuf_c)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  # Only the code above needs the descriptors: keep them out of the symbols.
  target_compile_options(${target} PRIVATE -fvisibility=hidden)
endfunction()
