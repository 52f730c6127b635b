# cmake -DPROGRAM=... -DPAGE=... -P operators_page.cmake: is the table of
# operators between the marks of PAGE the one the program prints?  With
# ONNXQUANT_RENEW in the environment it is made so.
execute_process(COMMAND "${PROGRAM}" ops --markdown
  OUTPUT_VARIABLE table COMMAND_ERROR_IS_FATAL ANY)
file(READ "${PAGE}" page)
set(first "<!-- operators: [^\n]*-->\n")
set(last "<!-- operators end -->")
if(NOT page MATCHES "${first}" OR NOT page MATCHES "${last}")
  message(FATAL_ERROR "${PAGE} has no marks for the table of operators")
endif()
string(REGEX REPLACE "(.*${first}).*" "\\1" before "${page}")
string(REGEX REPLACE ".*(${last}.*)" "\\1" after "${page}")
set(wanted "${before}${table}${after}")
if(page STREQUAL wanted)
  return()
endif()
if(DEFINED ENV{ONNXQUANT_RENEW})
  file(WRITE "${PAGE}" "${wanted}")
  message("renewed ${PAGE}")
else()
  message(FATAL_ERROR "${PAGE} is not what 'onnxquant ops --markdown' prints; "
    "renew it: ONNXQUANT_RENEW=1 ctest -R operators_page")
endif()
