# SPDX-License-Identifier: Apache-2.0
"""The cloud half of an update: profiles, publishing, cost."""
