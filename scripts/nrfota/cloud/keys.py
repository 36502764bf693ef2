# SPDX-License-Identifier: Apache-2.0
"""Destroys a file that holds a key.

The bytes are overwritten before the name goes. On a spinning disk that is the end of
them; a flash drive or a copy-on-write file system may keep the old blocks until it
reuses them (DESIGN.md, "Publishing and rollouts").
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from nrfota.errors import OtaError


def destroy(path: Path) -> bool:
    """Overwrites and removes a file; False when there was none."""
    try:
        with path.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            file.write(os.urandom(size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OtaError(f"cannot destroy '{path}': {error.strerror}") from None
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return True
