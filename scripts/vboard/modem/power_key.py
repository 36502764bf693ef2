# SPDX-License-Identifier: Apache-2.0
"""The wire from a pin of the chip to the modem's PWRKEY.

PWRKEY is pulled up inside the module and must be pulled low; boards put a transistor
between, so the chip's pin presses the key with its active level. A pin that is not
driven does not press it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from vboard.errors import VboardError

_PIN = re.compile(r"([01])\.(\d{1,2})\Z")
_PORT_PINS = (32, 16)


class Pins(Protocol):
    """What is needed of the GPIO block."""

    def on_output(self, pin: int, call: Callable[[int | None], None]) -> None:
        """`call(level)` whenever what the chip drives on the pin changes."""


class Keyed(Protocol):
    """What is needed of the modem."""

    def set_pwrkey(self, low: bool) -> None:
        """The PWRKEY pin."""


def parse_pin(text: str) -> int:
    """The number of a pin written "port.pin": 35 for "1.03"."""
    match = _PIN.match(text)
    if match is None or int(match[2]) >= _PORT_PINS[int(match[1])]:
        raise VboardError(
            f"expected a pin from 0.00 to 0.31 or 1.00 to 1.15, got {text!r}"
        )
    return int(match[1]) * 32 + int(match[2])


def connect_pwrkey(
    gpio: Pins, modem: Keyed, pin: int, *, active_high: bool = True
) -> None:
    """From now on `pin` presses the key while the chip drives its active level."""
    active = 1 if active_high else 0
    gpio.on_output(pin, lambda level: modem.set_pwrkey(level == active))
