# onnxquant_read_def(var file macro prefix): sources named by an X-macro list.
function(onnxquant_read_def var file macro prefix)
  set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY
    CMAKE_CONFIGURE_DEPENDS "${file}")
  file(STRINGS "${file}" rows REGEX "^${macro}\\(")
  list(TRANSFORM rows REPLACE "^${macro}\\(([a-z0-9_]+)\\).*$" "${prefix}\\1.c")
  set(${var} ${rows} PARENT_SCOPE)
endfunction()
