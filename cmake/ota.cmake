# SPDX-License-Identifier: Apache-2.0
# The update system in anyone's CMake project:
#
#   include(/path/to/cmake/ota.cmake)
#   ota_update_client(my_app)
#   ota_package(my_app VERSION 7 URL https://host/ota.ebin)
#
#   ota_update_client(target [JSMN dir])
#
# compiles the update client into an executable or a library, with the target's
# own flags, and gives it the include directories; bootloader/lib/update/PORTING.md
# says what else it needs. JSMN is the folder of jsmn.h, for a target whose include
# path does not have it; default: where CMake finds it.
#
#   ota_package(my_app VERSION 7 URL https://host/ota.ebin)
#
# builds <OUTPUT_DIR>/ota.ebin and ota.json whenever my_app was linked, as part
# of `all` and as target my_app_ota.
#
#   ota_package(target
#     VERSION n              0 to 4294967295
#     URL url                where the device fetches ota.ebin; or ALT_URL
#     [ALT_URL url]          tried when URL fails
#     [OUTPUT_DIR dir]       default: ota/ in the current binary directory
#     [SOFTDEVICE hex]       goes in front of the application
#     [LAYOUT yml]           default: templates/layout.yml beside this folder
#     [FACTORY]              also factory.hex; needs BUILD_DIR
#     [BUILD_DIR dir]        has mbr/mbr.elf and bootloader/bootloader.elf
#     [NO_HEADER])           ota.ebin as bare cipher text
#
# The Python that runs it is OTA_PYTHON (cache or environment), else .venv beside
# this folder, else python3; it must have the packages of setup.py.
include_guard(GLOBAL)

get_filename_component(OTA_ROOT "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
set(OTA_ROOT "${OTA_ROOT}" CACHE INTERNAL "The update system's folder")

# Sets `out_var` to a Python that can run the host tools; stops when none can.
function(_ota_find_python out_var)
    if(OTA_PYTHON)
        set(candidates "${OTA_PYTHON}")
    elseif(DEFINED ENV{OTA_PYTHON})
        set(candidates "$ENV{OTA_PYTHON}")
    else()
        set(candidates "${OTA_ROOT}/.venv/bin/python" python3)
    endif()
    foreach(candidate IN LISTS candidates)
        execute_process(
            COMMAND "${CMAKE_COMMAND}" -E env "PYTHONPATH=${OTA_ROOT}/scripts"
                "${candidate}" -c "import nrfota, yaml, cryptography"
            RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET
        )
        if(result EQUAL 0)
            set(${out_var} "${candidate}" PARENT_SCOPE)
            return()
        endif()
    endforeach()
    list(JOIN candidates "', '" tried)
    message(FATAL_ERROR
        "ota_package: expected a Python with PyYAML and cryptography, tried "
        "'${tried}'; run scripts/setup.sh or set OTA_PYTHON")
endfunction()

function(ota_update_client target)
    cmake_parse_arguments(PARSE_ARGV 1 ota "" "JSMN" "")
    if(ota_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR
            "ota_update_client: unknown argument '${ota_UNPARSED_ARGUMENTS}'")
    endif()
    if(NOT TARGET "${target}")
        message(FATAL_ERROR "ota_update_client: '${target}' is not a target")
    endif()
    if(NOT DEFINED ota_JSMN)
        # Where a package installed it, also when compiling for a chip.
        find_path(OTA_JSMN_DIR jsmn.h PATHS /usr/include /usr/local/include
            NO_CMAKE_FIND_ROOT_PATH)
        set(ota_JSMN "${OTA_JSMN_DIR}")
    endif()
    get_filename_component(ota_JSMN "${ota_JSMN}" ABSOLUTE)
    if(NOT EXISTS "${ota_JSMN}/jsmn.h")
        message(FATAL_ERROR
            "ota_update_client: jsmn.h was not found; scripts/setup.sh installs it "
            "(Debian package libjsmn-dev), or name its folder with JSMN")
    endif()
    # Alone in its folder: the host's headers are nothing for a chip.
    set(jsmn "${CMAKE_CURRENT_BINARY_DIR}/jsmn")
    configure_file("${ota_JSMN}/jsmn.h" "${jsmn}/jsmn.h" COPYONLY)
    set(lib "${OTA_ROOT}/bootloader/lib")
    file(GLOB sources CONFIGURE_DEPENDS "${lib}/*.c" "${lib}/update/*.c")
    target_sources("${target}" PRIVATE ${sources})
    target_include_directories("${target}" PRIVATE
        "${OTA_ROOT}/bootloader/include" "${lib}" "${lib}/update")
    target_include_directories("${target}" SYSTEM PRIVATE "${jsmn}")
endfunction()

function(ota_package target)
    cmake_parse_arguments(PARSE_ARGV 1 ota "FACTORY;NO_HEADER"
        "VERSION;URL;ALT_URL;OUTPUT_DIR;SOFTDEVICE;LAYOUT;BUILD_DIR" "")
    if(ota_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR
            "ota_package: unknown argument '${ota_UNPARSED_ARGUMENTS}'")
    endif()
    if(ota_KEYWORDS_MISSING_VALUES)
        message(FATAL_ERROR
            "ota_package: expected a value after ${ota_KEYWORDS_MISSING_VALUES}")
    endif()
    if(NOT TARGET "${target}")
        message(FATAL_ERROR "ota_package: '${target}' is not a target")
    endif()
    get_target_property(type "${target}" TYPE)
    if(NOT type STREQUAL "EXECUTABLE")
        message(FATAL_ERROR
            "ota_package: expected an executable, '${target}' is a ${type}")
    endif()
    if(NOT DEFINED ota_VERSION)
        message(FATAL_ERROR "ota_package: VERSION is missing")
    endif()
    if(NOT DEFINED ota_URL AND NOT DEFINED ota_ALT_URL)
        message(FATAL_ERROR "ota_package: URL or ALT_URL is missing")
    endif()
    if(ota_FACTORY AND NOT DEFINED ota_BUILD_DIR)
        message(FATAL_ERROR "ota_package: FACTORY needs BUILD_DIR")
    endif()
    if(DEFINED ota_BUILD_DIR AND NOT ota_FACTORY)
        message(FATAL_ERROR "ota_package: BUILD_DIR is of use only with FACTORY")
    endif()
    if(NOT DEFINED ota_OUTPUT_DIR)
        set(ota_OUTPUT_DIR "${CMAKE_CURRENT_BINARY_DIR}/ota")
    endif()
    get_filename_component(ota_OUTPUT_DIR "${ota_OUTPUT_DIR}" ABSOLUTE
        BASE_DIR "${CMAKE_CURRENT_BINARY_DIR}")
    _ota_find_python(python)

    set(options -A "${ota_VERSION}" -o "${ota_OUTPUT_DIR}")
    set(depends "${target}" "$<TARGET_FILE:${target}>")
    set(outputs "${ota_OUTPUT_DIR}/ota.ebin" "${ota_OUTPUT_DIR}/ota.json")
    # A semicolon in a URL is no end of a list element.
    if(DEFINED ota_URL)
        string(REPLACE ";" "\\;" url "${ota_URL}")
        list(APPEND options -u "${url}")
    endif()
    if(DEFINED ota_ALT_URL)
        string(REPLACE ";" "\\;" alt_url "${ota_ALT_URL}")
        list(APPEND options -a "${alt_url}")
    endif()
    if(ota_NO_HEADER)
        list(APPEND options --no-header)
    endif()
    foreach(name SOFTDEVICE LAYOUT)
        if(DEFINED ota_${name})
            get_filename_component(file "${ota_${name}}" ABSOLUTE)
            string(TOLOWER "${name}" option)
            list(APPEND options "--${option}" "${file}")
            list(APPEND depends "${file}")
        endif()
    endforeach()
    if(ota_FACTORY)
        get_filename_component(built "${ota_BUILD_DIR}" ABSOLUTE)
        list(APPEND options --factory -d "${built}")
        list(APPEND depends "${built}/mbr/mbr.elf" "${built}/bootloader/bootloader.elf")
        list(APPEND outputs "${ota_OUTPUT_DIR}/factory.hex")
    endif()

    add_custom_command(
        OUTPUT ${outputs}
        COMMAND "${CMAKE_COMMAND}" -E env "PYTHONPATH=${OTA_ROOT}/scripts"
            "${python}" -m nrfota package
            --elf-file "$<TARGET_FILE:${target}>" ${options}
        DEPENDS ${depends}
        COMMENT "Packing ${target} version ${ota_VERSION}"
        VERBATIM
    )
    add_custom_target("${target}_ota" ALL DEPENDS ${outputs})
endfunction()
