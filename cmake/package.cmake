# What is installed, and the Debian package of it: scripts/package builds that. The quantizer stays with the sources.
include(GNUInstallDirs)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # only what is installed need be built

execute_process(COMMAND gzip -9nc ${PROJECT_SOURCE_DIR}/deploy/debian/changelog
                OUTPUT_FILE ${CMAKE_BINARY_DIR}/changelog.gz COMMAND_ERROR_IS_FATAL ANY)
set(MSQ_DOC ${CMAKE_INSTALL_DATAROOTDIR}/doc/msq-serve)
install(TARGETS msqd msq RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES deploy/systemd/msqd.service DESTINATION lib/systemd/system)
install(FILES deploy/systemd/msqd.sysusers DESTINATION lib/sysusers.d RENAME msqd.conf)
install(FILES deploy/systemd/msqd.env DESTINATION /etc/msqd)
install(FILES docs/operating.md docs/load_tests.md docs/power.md docs/deploying.md docs/scaling.md DESTINATION ${MSQ_DOC})
install(FILES deploy/debian/copyright ${CMAKE_BINARY_DIR}/changelog.gz DESTINATION ${MSQ_DOC})
install(FILES deploy/systemd/board.conf deploy/systemd/rapl.conf deploy/haproxy/haproxy.cfg deploy/nginx/nginx.conf
        DESTINATION ${MSQ_DOC}/examples)
install(PROGRAMS deploy/capacity.py DESTINATION ${MSQ_DOC}/examples)
install(DIRECTORY deploy/prometheus deploy/grafana deploy/kubernetes deploy/docker DESTINATION ${MSQ_DOC}/examples USE_SOURCE_PERMISSIONS
        PATTERN "__pycache__" EXCLUDE)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME msq-serve)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "inference daemon for 4-bit MSQ networks on processors and FPGAs")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "Serves networks quantized to 4 bits by the Mixed Scheme Quantization over\n\
 the Open Inference Protocol v2 (gRPC and HTTP), on the processor or on an\n\
 FPGA, with the same bits from each. With metrics for Prometheus, a systemd\n\
 unit and the command msq.")
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "MSQ Serve developers <developers@msq-serve.invalid>")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "passwd")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/deploy/debian/conffiles ${PROJECT_SOURCE_DIR}/deploy/debian/postinst
    ${PROJECT_SOURCE_DIR}/deploy/debian/prerm ${PROJECT_SOURCE_DIR}/deploy/debian/postrm)
include(CPack)
