# onnxquant_own_code(target): language flags and warnings of our own sources.
# Generated code is built without them; errors only where a preset asks.
function(onnxquant_own_code target)
  target_compile_options(${target} PRIVATE
    -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla
    -Wundef -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes
    -Wwrite-strings -Wswitch-enum)
  if(ONNXQUANT_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
endfunction()
