# onnxquant_own_code(target): language flags and warnings of our own sources.
# Generated code is built without them; errors only where a preset asks.
#
# -Wmaybe-uninitialized is off: gcc cannot see that a status other than OQ_OK
# comes with an early return, and warns of every out parameter.
function(onnxquant_own_code target)
  target_compile_options(${target} PRIVATE
    -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla
    -Wundef -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes
    -Wwrite-strings -Wswitch-enum)
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
  if(ONNXQUANT_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
endfunction()
