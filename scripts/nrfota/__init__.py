# SPDX-License-Identifier: Apache-2.0
"""Host library for firmware updates."""

# A name in templates/boards.
DEFAULT_BOARD = "nrf52840dk_sim7600e"
