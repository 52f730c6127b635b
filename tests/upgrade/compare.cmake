cmake_minimum_required(VERSION 3.25)
# -DPYTHON -DSCRIPT -DFOLDER -DMODELS: onnxruntime on both forms of each model.
if(NOT PYTHON)
  message("SKIPPED: no ONNXQUANT_PYTHON")
  return()
endif()
execute_process(COMMAND "${PYTHON}" -c "import onnx, onnxruntime, numpy"
  RESULT_VARIABLE rc OUTPUT_QUIET ERROR_QUIET)
if(rc)
  message("SKIPPED: ${PYTHON} has no onnx and onnxruntime")
  return()
endif()
execute_process(COMMAND "${PYTHON}" "${SCRIPT}" "${FOLDER}" "${MODELS}"
  RESULT_VARIABLE rc)
if(rc)
  message(FATAL_ERROR "models compute something else after they were raised")
endif()
