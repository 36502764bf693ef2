# SPDX-License-Identifier: Apache-2.0
"""Power-cut campaigns: every cut of a recorded run, judged by what runs in the end."""
