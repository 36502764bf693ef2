# ota_firmware(TARGET LINKER_SCRIPT FILE REGION NAME)
#
# Makes an executable an image for the chip: flags, linker script (with the
# rendered memory fragment on its search path), .hex and .bin beside the .elf.
#
# Images are reproducible: no path, date or build id gets into them.
#
# SPDX-License-Identifier: Apache-2.0
include_guard(GLOBAL)
include(${CMAKE_CURRENT_LIST_DIR}/warnings.cmake)

add_library(ota_firmware_flags INTERFACE)
target_compile_features(ota_firmware_flags INTERFACE c_std_11)
target_compile_options(ota_firmware_flags INTERFACE
    -Os $<$<COMPILE_LANGUAGE:C>:-g>
    -ffunction-sections -fdata-sections -fno-common
    # each saves about 1 % of the bootloader
    -fno-move-loop-invariants -fno-inline-functions-called-once
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.
    -ffile-prefix-map=${CMAKE_BINARY_DIR}=build
    $<$<COMPILE_LANGUAGE:C>:${OTA_WARNINGS}>
    $<$<COMPILE_LANGUAGE:C>:-fstack-usage>
    $<$<COMPILE_LANGUAGE:C>:-fcallgraph-info=su>)
target_link_options(ota_firmware_flags INTERFACE
    --specs=nano.specs -nostartfiles
    -Wl,--gc-sections -Wl,--build-id=none -Wl,--fatal-warnings
    -L${OTA_GENERATED_DIR} -L${CMAKE_CURRENT_LIST_DIR})

function(ota_firmware target)
    cmake_parse_arguments(ARG "" "LINKER_SCRIPT;REGION" "" ${ARGN})
    target_link_libraries(${target} PRIVATE ota_firmware_flags)
    target_include_directories(${target} PRIVATE
        ${OTA_CHIP_LIB_DIR} ${OTA_BOOTLOADER_DIR}/include
        ${OTA_GENERATED_DIR})
    target_link_options(${target} PRIVATE
        -T${ARG_LINKER_SCRIPT} -Wl,-Map=$<TARGET_FILE_DIR:${target}>/${target}.map)
    set_target_properties(${target} PROPERTIES
        SUFFIX .elf
        LINK_DEPENDS "${ARG_LINKER_SCRIPT};${OTA_GENERATED_DIR}/${ARG_REGION}_memory.ld")
    add_custom_command(TARGET ${target} POST_BUILD
        COMMAND ${CMAKE_OBJCOPY} -O ihex ${target}.elf ${target}.hex
        # From the .hex: straight from the ELF, objcopy fills up to empty sections
        # in RAM.
        COMMAND ${CMAKE_OBJCOPY} -I ihex -O binary --gap-fill 0xFF
            ${target}.hex ${target}.bin
        BYPRODUCTS ${target}.hex ${target}.bin
        VERBATIM)
endfunction()
