# SPDX-License-Identifier: Apache-2.0
set(OTA_WARNINGS -Wall -Wextra -Wconversion -Wshadow -Werror)
