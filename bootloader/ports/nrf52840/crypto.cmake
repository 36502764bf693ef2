# Sets OTA_CRYPTO_SOURCES and OTA_CRYPTO_LIBRARIES for the chosen crypto port.
#
# SPDX-License-Identifier: Apache-2.0
set(OTA_CRYPTO_LIBRARIES "")
if(OTA_CRYPTO STREQUAL "cc310")
    set(OTA_CRYPTO_SOURCES
        ${OTA_CHIP_LIB_DIR}/crypto_cc310.c
        ${OTA_CHIP_LIB_DIR}/cc310.c)
elseif(OTA_CRYPTO STREQUAL "nrf_cc310")
    message(FATAL_ERROR
        "OTA_CRYPTO=nrf_cc310 is not available yet: the port for Nordic's library "
        "is not written; build with OTA_CRYPTO=cc310")
else()
    message(FATAL_ERROR
        "OTA_CRYPTO is '${OTA_CRYPTO}', expected cc310")
endif()
