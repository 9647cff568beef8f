# yoke_folder(name SOURCES ... [USES folder...] [LIBS target...])
#
# One folder of the house: its objects (for the one library users link) and a static library
# of its own, which links only the folders named in USES: an arrow that points up fails to link.
function(yoke_folder name)
    cmake_parse_arguments(F "" "" "SOURCES;USES;LIBS;DEFINES" ${ARGN})
    add_library(yoke_${name}_objects OBJECT ${F_SOURCES})
    target_link_libraries(yoke_${name}_objects PRIVATE yoke_flags ${F_LIBS})
    target_compile_definitions(yoke_${name}_objects PRIVATE ${F_DEFINES})
    add_library(yoke_${name} STATIC $<TARGET_OBJECTS:yoke_${name}_objects>)
    set_target_properties(yoke_${name} PROPERTIES LINKER_LANGUAGE C)
    foreach(used IN LISTS F_USES)
        target_link_libraries(yoke_${name} PUBLIC yoke_${used})
    endforeach()
    target_link_libraries(yoke_${name} PUBLIC ${F_LIBS})
endfunction()
