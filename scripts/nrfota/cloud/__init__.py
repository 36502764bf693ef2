# SPDX-License-Identifier: Apache-2.0
"""What a fleet talks to: the cloud file, its topics and its certificates."""
