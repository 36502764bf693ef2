# SPDX-License-Identifier: Apache-2.0
"""Host library for firmware updates."""
