# install.cmake: install rules that the library, the persister and the tools share. A component is a Debian package.

# ringdown_install_gzip(COMPONENT DESTINATION SOURCE NAME [option...]): SOURCE compressed, as Debian wants manual
# pages and changelogs. The options go to install().
function(ringdown_install_gzip component destination source name)
  set(compressed ${PROJECT_BINARY_DIR}/gzip/${component}/${name})
  cmake_path(GET compressed PARENT_PATH folder)
  file(MAKE_DIRECTORY ${folder})
  cmake_path(ABSOLUTE_PATH source)
  add_custom_command(OUTPUT ${compressed} COMMAND gzip -9nc ${source} > ${compressed} DEPENDS ${source} VERBATIM)
  add_custom_target(gzip_${component}_${name} ALL DEPENDS ${compressed})
  install(FILES ${compressed} DESTINATION ${destination} COMPONENT ${component} ${ARGN})
endfunction()

# ringdown_install_man(COMPONENT page.section...)
function(ringdown_install_man component)
  foreach(page IN LISTS ARGN)
    cmake_path(GET page FILENAME name)
    string(REGEX MATCH "[0-9]$" section ${name})
    ringdown_install_gzip(${component} ${CMAKE_INSTALL_MANDIR}/man${section} ${page} ${name}.gz)
  endforeach()
endfunction()
