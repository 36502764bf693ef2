# SPDX-License-Identifier: Apache-2.0
"""The virtual board: an nRF52840 with a SIM7600E, without hardware."""
