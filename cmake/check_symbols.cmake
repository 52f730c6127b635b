# cmake -DNM=nm -DLIB=libonnxquant.a -P check_symbols.cmake : the library may
# not end the process, print, or use hidden global state.  Release builds only:
# asserts are compiled in otherwise.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND "${NM}" -u "${LIB}" OUTPUT_VARIABLE out
  RESULT_VARIABLE rc)
if(rc)
  message(FATAL_ERROR "nm failed on ${LIB}")
endif()
set(names exit abort _Exit quick_exit __assert_fail raise signal printf
  __printf_chk puts putchar perror fprintf __fprintf_chk vfprintf stderr stdout
  stdin getenv setenv setlocale strtok rand srand random fesetround system gets
  sprintf strcpy strcat strtod strtof atof atoi)
list(JOIN names "|" names)
string(REGEX MATCHALL "U (_?_?(${names}))[\r\n]" hits "${out}")
if(hits)
  message(FATAL_ERROR "forbidden symbols in ${LIB}: ${hits}")
endif()
