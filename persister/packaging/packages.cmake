# packages.cmake: the Debian packages that `cpack -G DEB` makes, one a component. Their scripts are in debian/.
set(packages libring-dev libring-c1 python3-ringdown ringdown ringdown-sqlite)
set(debian ${CMAKE_CURRENT_LIST_DIR}/debian)

foreach(package IN LISTS packages)
  set(doc ${CMAKE_INSTALL_DATAROOTDIR}/doc/${package})
  install(FILES LICENSE DESTINATION ${doc} RENAME copyright COMPONENT ${package} EXCLUDE_FROM_ALL)
  ringdown_install_gzip(${package} ${doc} ${debian}/changelog changelog.Debian.gz EXCLUDE_FROM_ALL)

  string(TOUPPER ${package} PACKAGE)
  set(CPACK_DEBIAN_${PACKAGE}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${PACKAGE}_PACKAGE_CONTROL_STRICT_PERMISSION ON)
  file(GLOB CPACK_DEBIAN_${PACKAGE}_PACKAGE_CONTROL_EXTRA CONFIGURE_DEPENDS ${debian}/${package}/*)
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The Ringdown authors <ringdown@example.org>")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has its own
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL ${packages})
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_COMPONENT_LIBRING-DEV_DEPENDS libring-c1)
set(CPACK_DEBIAN_LIBRING-DEV_PACKAGE_DEPENDS libboost-dev)
set(CPACK_DEBIAN_LIBRING-DEV_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_LIBRING-DEV_DESCRIPTION "records metrics from control loops - development files
A daemon pushes a sample in a few nanoseconds, without a lock, a system call
or an allocation, into a ring in shared memory, from where ring-persister
(package ringdown) stores it in SQLite.
.
The C++ library is headers only; the C library's header and link are here too.")

# Apart from libring-dev: a program that runs needs neither headers nor Boost, and two majors live side by side.
set(CPACK_DEBIAN_LIBRING-C1_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_LIBRING-C1_DESCRIPTION "records metrics from control loops - C library
A daemon pushes a sample in a few nanoseconds, without a lock, a system call
or an allocation, into a ring in shared memory, from where ring-persister
(package ringdown) stores it in SQLite.
.
This is what programs in C and Python need when they run.")

set(CPACK_COMPONENT_PYTHON3-RINGDOWN_DEPENDS libring-c1)
set(CPACK_DEBIAN_PYTHON3-RINGDOWN_PACKAGE_DEPENDS python3)
set(CPACK_DEBIAN_PYTHON3-RINGDOWN_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON3-RINGDOWN_PACKAGE_ARCHITECTURE all)
set(CPACK_COMPONENT_PYTHON3-RINGDOWN_DESCRIPTION "records metrics from control loops in Python
A daemon pushes samples, without a lock or a system call, into a ring in
shared memory, from where ring-persister (package ringdown) stores them in
SQLite.")

set(CPACK_DEBIAN_RINGDOWN_PACKAGE_DEPENDS "systemd")
set(CPACK_DEBIAN_RINGDOWN_PACKAGE_SUGGESTS "ringdown-sqlite, sqlite3")
set(CPACK_DEBIAN_RINGDOWN_PACKAGE_SECTION admin)
set(CPACK_COMPONENT_RINGDOWN_DESCRIPTION "metrics recorder for control loops
A daemon pushes samples into a ring in shared memory; ring-persister, a
service of the machine, stores them in one SQLite file and rolls them up. If it
dies, is upgraded or waits for a disk, no daemon notices and nothing is lost
as long as the ring has room.
.
With it come ring-query and ring-inspect, which show what is in the database
and in a ring; ring-hostmon, which records the machine itself; and ring-write
and ring-replay, which fill a ring from Prometheus' text, CSV or a made-up
workload.")

set(CPACK_DEBIAN_RINGDOWN-SQLITE_PACKAGE_SUGGESTS "ringdown, sqlite3")
set(CPACK_DEBIAN_RINGDOWN-SQLITE_PACKAGE_SECTION database)
set(CPACK_COMPONENT_RINGDOWN-SQLITE_DESCRIPTION "SQLite extension that reads Ringdown databases
A loadable extension, for the sqlite3 shell, Python and any other program with
SQLite: it shows the raw samples of a Ringdown database as tables, and has
functions for quantiles, growths and shares of what its rollups keep.")

include(CPack)
