# Sets OTA_CRYPTO_SOURCES and OTA_CRYPTO_LIBRARIES for the chosen crypto port.
#
# SPDX-License-Identifier: Apache-2.0
set(OTA_CRYPTO_LIBRARIES "")
if(OTA_CRYPTO STREQUAL "cc310")
    set(OTA_CRYPTO_SOURCES
        ${CMAKE_CURRENT_LIST_DIR}/crypto_cc310.c
        ${OTA_CHIP_LIB_DIR}/cc310.c)
else()
    message(FATAL_ERROR
        "OTA_CRYPTO is '${OTA_CRYPTO}', expected cc310 or nrf_cc310")
endif()
