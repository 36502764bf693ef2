# SPDX-License-Identifier: Apache-2.0
"""Which register blocks the nRF52840 has, with their interrupt numbers.

nRF52840 PS, Memory, Instantiation. What is not modelled is listed by name, so that
an access to it says what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vboard.clock import Clock
from vboard.fabric import Bus, IrqLine, Peripheral
from vboard.nv import NvMemory
from vboard.peripherals.acl import Acl
from vboard.peripherals.clock_power import ClockPower
from vboard.peripherals.cryptocell.core import Core as CryptoCore
from vboard.peripherals.cryptocell.wrapper import Wrapper as CryptoWrapper
from vboard.peripherals.ecb import Ecb
from vboard.peripherals.egu import Egu
from vboard.peripherals.ficr import Ficr
from vboard.peripherals.gpio import Gpio
from vboard.peripherals.gpiote import Gpiote
from vboard.peripherals.nvmc import Nvmc
from vboard.peripherals.power import PowerRegisters
from vboard.peripherals.ppi import Ppi
from vboard.peripherals.rng import Rng
from vboard.peripherals.rtc import Rtc
from vboard.peripherals.temp import Temp
from vboard.peripherals.timer import Timer
from vboard.peripherals.uarte import Uarte
from vboard.peripherals.uicr import Uicr
from vboard.peripherals.wdt import Wdt
from vboard.unmodelled import ERRATUM_WORDS, UNMODELLED, ErratumWord, Unmodelled

TIMER_IRQS = (8, 9, 10, 26, 27)
RTC_IRQS = (11, 17, 36)
EGU_IRQS = (20, 21, 22, 23, 24, 25)


def make_blocks(
    *,
    clock: Clock,
    bus: Bus,
    nv: NvMemory,
    seed: int,
    on_irq: Callable[[int, bool], None],
) -> Iterator[Peripheral]:
    """Every block, in the order in which resets reach them."""

    def irq(number: int) -> IrqLine:
        return IrqLine(number, on_irq)

    yield ClockPower(clock, bus, irq(0), power=PowerRegisters(bus))
    yield Gpio(clock, bus)
    yield Gpiote(clock, bus, irq(6))
    for index, number in enumerate((2, 40)):
        yield Uarte(clock, bus, irq(number), index=index)
    for index, number in enumerate(TIMER_IRQS):
        yield Timer(clock, bus, irq(number), index=index)
    for index, number in enumerate(RTC_IRQS):
        yield Rtc(clock, bus, irq(number), index=index)
    yield Temp(clock, bus, irq(12))
    yield Rng(clock, bus, irq(13), seed=seed)
    yield Ecb(clock, bus, irq(14))
    yield Wdt(clock, bus, irq(16))
    for index, number in enumerate(EGU_IRQS):
        yield Egu(clock, bus, irq(number), index=index)
    yield Nvmc(clock, bus, nv=nv)
    yield Acl(clock, bus)
    yield Ppi(clock, bus)
    yield Ficr(clock, bus, nv=nv)
    yield Uicr(clock, bus, nv=nv)
    core = CryptoCore(clock, bus, irq(42), seed=seed)
    yield CryptoWrapper(clock, bus, core=core)
    yield core
    for address in ERRATUM_WORDS:
        yield ErratumWord(clock, bus, address=address)
    for block in UNMODELLED:
        yield Unmodelled(clock, bus, block=block)
