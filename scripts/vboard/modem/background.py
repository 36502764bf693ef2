# SPDX-License-Identifier: Apache-2.0
"""Network work beside the modem, where time is real: `modem.spawn = spawn`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


def spawn(run: Callable[[], Any]) -> Future[Any]:
    """Runs it in a thread that does not keep the program from ending."""
    future: Future[Any] = Future()

    def work() -> None:
        try:
            future.set_result(run())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future
