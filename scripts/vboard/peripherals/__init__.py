# SPDX-License-Identifier: Apache-2.0
"""Peripheral models: one block, one file."""
