# cmake -DPYTHON=... -DMODELS=... -DSCRIPT=... -DTO=... [-DARGUMENTS=...]
#   -P ort_outputs.cmake :
# runs the script once.  Without Python or models nothing is made, and the test
# that reads the outputs says that it is skipped.
if(PYTHON STREQUAL "" OR NOT EXISTS "${MODELS}")
  message(STATUS "no Python with onnxruntime (ONNXQUANT_PYTHON), or no models")
  return()
endif()
# Its neighbours count, too: it may read them.
cmake_path(GET SCRIPT PARENT_PATH here)
file(GLOB scripts "${here}/*.py")
set(version "${ARGUMENTS}")
foreach(script IN LISTS scripts)
  file(SHA256 "${script}" hash)
  string(APPEND version " ${hash}")
endforeach()
if(EXISTS "${TO}/complete" AND EXISTS "${TO}.version")
  file(READ "${TO}.version" had)
  if(had STREQUAL version)
    return()
  endif()
endif()
file(REMOVE_RECURSE "${TO}")
file(MAKE_DIRECTORY "${TO}")
execute_process(COMMAND "${PYTHON}" "${SCRIPT}" "${MODELS}" "${TO}" ${ARGUMENTS}
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  file(REMOVE_RECURSE "${TO}")
  message(FATAL_ERROR "${SCRIPT} ended with ${result}")
endif()
file(WRITE "${TO}.version" "${version}")
