# The only place with floating-point and instruction-set flags. Bits depend on them.
#
# -ffp-contract=off  a*b+c is two roundings unless the code says fma(); without it the compiler fuses at will.
# -march=x86-64-v3   the lowest CPU we run on (AVX2, FMA, F16C, BMI2). Files of a wider tier say so in their name.
add_compile_options(-ffp-contract=off -fno-fast-math -march=x86-64-v3 -mtune=generic
                    -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wno-psabi
                    -Wno-ignored-attributes)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC 12 sees overlaps in "text" + std::string that are not there.
  add_compile_options(-Wno-restrict)
endif()

# File-name suffix -> flags of that tier.
set(INVAR_ISA_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC 12 takes the undefined pass-through operands of its own AVX-512 intrinsics for uninitialized variables.
  list(APPEND INVAR_ISA_avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
endif()
set(INVAR_ISA_avx512bf16 ${INVAR_ISA_avx512} -mavx512bf16)
set(INVAR_ISA_amx ${INVAR_ISA_avx512bf16})  # tile instructions are written in assembly

# Sets `out` to the flags that a file's name asks for.
function(invar_isa_flags source out)
  set(${out} "" PARENT_SCOPE)
  if(source MATCHES "_(avx512|avx512bf16|amx)\\.cc$")
    set(${out} ${INVAR_ISA_${CMAKE_MATCH_1}} PARENT_SCOPE)
  endif()
endfunction()
