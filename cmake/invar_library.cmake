# invar_library(<folder> [LINK targets...] [SUBDIRS dirs...] [EXECUTABLE name] [UNITY] [SEPARATE_TESTS])
#
# Makes the library invar_<folder> of src/<folder>/*.cc (and of the named sub-folders). What a file is follows from
# its name: *_test.cc is a unit test, *_fuzz.cc a fuzzer; *_avx512.cc, *_avx512bf16.cc and *_amx.cc get that tier's
# flags.
# Unit tests become the program <folder>_tests; only the target `tests` builds it, so that a plain build is short.
# UNITY: invar_unity() for the library; one that planted faults replace files of cannot have it. SEPARATE_TESTS: its
# tests are compiled one by one.
function(invar_library folder)
  cmake_parse_arguments(ARG "UNITY;SEPARATE_TESTS" "EXECUTABLE" "LINK;SUBDIRS" ${ARGN})
  set(sources "")
  set(tests "")
  set(fuzzers "")
  foreach(dir IN ITEMS "" ${ARG_SUBDIRS})
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/${dir}/*.cc)
    list(APPEND sources ${found})
  endforeach()
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(fuzzers ${sources})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz)\\.cc$")
  set(main_source ${CMAKE_SOURCE_DIR}/src/${folder}/main.cc)
  if(ARG_EXECUTABLE)
    list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  endif()

  set(target invar_${folder})
  if(sources)
    add_library(${target} STATIC ${sources})
    set(scope PUBLIC)
    if(ARG_UNITY)
      invar_unity(${target})
    endif()
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${target} ${scope} ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${target} ${scope} ${ARG_LINK})
  foreach(source IN LISTS sources)
    invar_isa_flags(${source} isa_flags)
    if(isa_flags)
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${isa_flags}")
    endif()
    if(source MATCHES "/jinja/(filters|methods|tests)_")  # each names its functions as templates do
      set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()

  if(ARG_EXECUTABLE AND EXISTS ${main_source})
    add_executable(${ARG_EXECUTABLE} ${main_source})
    target_link_libraries(${ARG_EXECUTABLE} PRIVATE ${target})
    set_target_properties(${ARG_EXECUTABLE} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  endif()
  if(INVAR_TESTS AND tests)
    invar_tests(${folder} SOURCES ${tests} LINK ${target})
    if(NOT ARG_SEPARATE_TESTS)
      invar_unity(${folder}_tests)
    endif()
  endif()
  if(INVAR_FUZZ)
    foreach(fuzzer IN LISTS fuzzers)
      get_filename_component(name ${fuzzer} NAME_WE)
      add_executable(${name} ${fuzzer})
      target_link_libraries(${name} PRIVATE ${target})
      target_link_options(${name} PRIVATE -fsanitize=fuzzer)
      target_compile_definitions(${name} PRIVATE INVAR_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
      set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzzers)
    endforeach()
  endif()
endfunction()

# invar_unity(<target>): with INVAR_UNITY its files are compiled a few at a time, so that headers are read and JSON's
# templates are made once for all of them. Names in unnamed namespaces must then differ between the files of a folder.
function(invar_unity target)
  if(INVAR_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)  # an unnamed namespace in an included .cc
  endif()
endfunction()

# invar_tests(<name> SOURCES files... LINK targets...)
#
# Makes the program <name>_tests of GoogleTest files, each of its tests a test of ctest. INVAR_BINARY is the path of the
# command line program, for the tests that run it. Compiled for a short build, which is mostly tests.
function(invar_tests name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name}_tests EXCLUDE_FROM_ALL ${ARG_SOURCES})
  target_compile_options(${name}_tests PRIVATE -O1 -g0)
  target_link_libraries(${name}_tests PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name}_tests PRIVATE INVAR_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                                                   INVAR_BINARY="${CMAKE_BINARY_DIR}/invar")
  gtest_discover_tests(${name}_tests TEST_PREFIX ${name}/ DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60)
  add_dependencies(tests ${name}_tests)
endfunction()

# invar_benches(<dir> LINK targets...)
#
# One program build/benches/<name> for each <dir>/<name>.cc; only the target `benches` builds them.
function(invar_benches dir)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${dir}/*.cc)
  add_custom_target(benches)
  foreach(source IN LISTS sources)
    get_filename_component(name ${source} NAME_WE)
    add_executable(bench_${name} EXCLUDE_FROM_ALL ${source})
    target_link_libraries(bench_${name} PRIVATE ${ARG_LINK})
    set_target_properties(bench_${name} PROPERTIES OUTPUT_NAME ${name}
                                                   RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/benches)
    add_dependencies(benches bench_${name})
  endforeach()
endfunction()
