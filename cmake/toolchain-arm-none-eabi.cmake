# GNU Arm toolchain for the nRF52840: Cortex-M4, soft float.
#
# Soft float in every stage: the FPU stays off, so exception frames stay small
# and erratum 87 (FPU interrupt keeps the CPU awake) cannot happen.
#
# SPDX-License-Identifier: Apache-2.0
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR cortex-m4)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

foreach(OTA_TOOL_LANGUAGE C ASM)
    set(CMAKE_${OTA_TOOL_LANGUAGE}_COMPILER arm-none-eabi-gcc)
endforeach()
set(CMAKE_OBJCOPY arm-none-eabi-objcopy CACHE STRING "")
set(CMAKE_SIZE arm-none-eabi-size CACHE STRING "")

set(OTA_CPU_FLAGS "-mcpu=cortex-m4 -mthumb -mfloat-abi=soft")
set(CMAKE_C_FLAGS_INIT "${OTA_CPU_FLAGS}")
set(CMAKE_ASM_FLAGS_INIT "${OTA_CPU_FLAGS}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "${OTA_CPU_FLAGS}")
