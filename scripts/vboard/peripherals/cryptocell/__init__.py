# SPDX-License-Identifier: Apache-2.0
"""CRYPTOCELL: Arm CryptoCell 310 (nRF52840 PS, CRYPTOCELL).

`Wrapper` is the ENABLE register at 0x5002A500, `Core` the engine at 0x5002B000.
`cryptocell(clock, bus, irq)` makes the pair.
"""

from vboard.clock import Clock
from vboard.fabric import Bus, IrqLine
from vboard.peripherals.cryptocell.core import Core
from vboard.peripherals.cryptocell.wrapper import Wrapper

__all__ = ["Core", "Wrapper", "cryptocell"]


def cryptocell(
    clock: Clock, bus: Bus, irq: IrqLine | None = None, *, seed: int = 0
) -> tuple[Wrapper, Core]:
    """Wrapper and core of one CryptoCell; `seed` feeds the TRNG."""
    core = Core(clock, bus, irq, seed=seed)
    return Wrapper(clock, bus, None, core=core), core
