# Library, headers, program, and the files by which others find them:
# find_package(onnxquant) and pkg-config.
include(CMakePackageConfigHelpers)

# A static library needs its own libraries named to whoever links it; a shared
# one keeps them to itself.
set(ONNXQUANT_PC_PRIVATE "libprotobuf-c openblas")
get_target_property(kind onnxquant TYPE)
if(kind STREQUAL "STATIC_LIBRARY")
  set(ONNXQUANT_STATIC TRUE)
  set(ONNXQUANT_PC_REQUIRES "Requires: ${ONNXQUANT_PC_PRIVATE}")
  set(ONNXQUANT_PC_LIBS "-lm -lpthread")
else()
  set(ONNXQUANT_STATIC FALSE)
  set(ONNXQUANT_PC_REQUIRES "Requires.private: ${ONNXQUANT_PC_PRIVATE}")
  set(ONNXQUANT_PC_LIBS "")
endif()

install(TARGETS onnxquant EXPORT onnxquantTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT onnxquantTargets NAMESPACE onnxquant::
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/onnxquant)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/onnxquant"
  "${PROJECT_BINARY_DIR}/include/onnxquant"
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(TARGET onnxquant_program)
  install(TARGETS onnxquant_program DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/onnxquantConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/onnxquantConfig.cmake"
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/onnxquant)
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/onnxquantConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/onnxquantConfig.cmake"
  "${PROJECT_BINARY_DIR}/onnxquantConfigVersion.cmake"
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/onnxquant)

# Found from where the file lies, so that `cmake --install --prefix` works.
file(RELATIVE_PATH ONNXQUANT_PC_UP "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig"
  "${CMAKE_INSTALL_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/onnxquant.pc.in"
  "${PROJECT_BINARY_DIR}/onnxquant.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/onnxquant.pc"
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
