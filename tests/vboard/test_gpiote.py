# SPDX-License-Identifier: Apache-2.0
"""GPIOTE: event channels, task channels, the PORT event."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.gpio import Gpio
from vboard.peripherals.gpiote import Gpiote
from vboard.peripherals.gpiote import Register as R

OUT, SET, CLR, IN, CONFIG = 0x000, 0x030, 0x060, 0x100, 0x510
EVENT, TASK = 1, 3
PIN_CNF = 0x700


def config(mode: int, pin: int, polarity: int, *, initial: int = 0) -> int:
    """A CONFIG value."""
    return mode | pin << 8 | polarity << 16 | initial << 20


def make() -> tuple[Bench, Gpio, Gpiote]:
    """GPIOTE and the pins; P0.11 and P1.02 are inputs with pull-up."""
    bench = Bench()
    gpio = Gpio(bench.clock, bench.bus)
    gpiote = Gpiote(bench.clock, bench.bus, bench.irq(6))
    bench.add(gpio)
    bench.add(gpiote)
    gpio.write(PIN_CNF + 4 * 11, 0xC)
    gpio.write(0x300 + PIN_CNF + 4 * 2, 0xC)
    return bench, gpio, gpiote


@pytest.mark.parametrize(
    ("polarity", "expected"),
    [(1, [1]), (2, [0]), (3, [0, 1])],
    ids=["rising", "falling", "toggle"],
)
@pytest.mark.parametrize("pin", [11, 34])
def test_edges(polarity: int, expected: list[int], pin: int) -> None:
    """IN[n] comes at the edges that POLARITY names."""
    bench, gpio, gpiote = make()
    gpiote.write(CONFIG + 8, config(EVENT, pin, polarity))
    gpiote.write(R.INTENSET, 1 << 2)
    levels: list[int] = []
    bench.bus.listen(gpiote.base + IN + 8, lambda count: levels.append(gpio.level(pin)))
    gpio.set_pin(pin, 0)
    gpio.set_pin(pin, 0)
    gpio.set_pin(pin, 1)
    assert levels == expected
    assert gpiote.irq.level is True
    gpiote.write(IN + 8, 0)
    assert gpiote.irq.level is False


def test_a_disabled_channel_hears_nothing() -> None:
    """MODE = 0 lets the pin go."""
    _, gpio, gpiote = make()
    gpiote.write(CONFIG, config(EVENT, 11, 3))
    gpiote.write(CONFIG, 0)
    gpio.set_pin(11, 0)
    assert gpiote.read(IN) == 0


def test_task_mode_takes_the_pin_over() -> None:
    """OUTINIT first, then SET, CLR and OUT; DISABLE gives it back to GPIO."""
    _, gpio, gpiote = make()
    seen: list[int | None] = []
    gpio.on_output(20, seen.append)
    gpiote.write(CONFIG, config(TASK, 20, 3, initial=1))
    gpiote.write(CLR, 1)
    gpiote.write(SET, 1)
    gpiote.write(OUT, 1)
    gpiote.write(OUT, 1)
    gpiote.write(CONFIG, 0)
    assert seen == [1, 0, 1, 0, 1, None]


@pytest.mark.parametrize(("polarity", "level"), [(1, 1), (2, 0)], ids=["set", "clear"])
def test_out_does_what_polarity_says(polarity: int, level: int) -> None:
    """LoToHi sets, HiToLo clears."""
    _, gpio, gpiote = make()
    gpiote.write(CONFIG, config(TASK, 20, polarity, initial=1 - level))
    gpiote.write(OUT, 1)
    assert gpio.output(20) == level


def test_tasks_need_task_mode() -> None:
    """An event channel does not drive."""
    _, gpio, gpiote = make()
    gpiote.write(CONFIG, config(EVENT, 11, 3))
    for task in (OUT, SET, CLR):
        gpiote.write(task, 1)
    assert gpio.output(11) is None


def test_port_is_the_rising_edge_of_detect() -> None:
    """A second pin while DETECT is up makes no second event."""
    _, gpio, gpiote = make()
    gpiote.write(R.INTENSET, 1 << 31)
    for pin in (11, 12):
        gpio.write(PIN_CNF + 4 * pin, 0xC | 3 << 16)
    gpio.set_pin(11, 0)
    assert gpiote.irq.level is True
    gpiote.write(R.EVENTS_PORT, 0)
    gpio.set_pin(12, 0)
    assert gpiote.read(R.EVENTS_PORT) == 0
    gpio.set_pin(11, 1)
    gpio.set_pin(12, 1)
    gpio.set_pin(12, 0)
    assert gpiote.read(R.EVENTS_PORT) == 1


def test_bad_values_are_refused() -> None:
    """Mode 2, a pin that does not exist, a hole."""
    _, _, gpiote = make()
    with pytest.raises(GuestError, match=r"GPIOTE\.CONFIG\[1\]: mode 2 is reserved"):
        gpiote.write(CONFIG + 4, 2)
    with pytest.raises(GuestError, match=r"CONFIG\[0\]: P1 has pins 0 to 15"):
        gpiote.write(CONFIG, config(EVENT, 48, 1))
    with pytest.raises(GuestError, match=r"GPIOTE\.\+0x530: no register"):
        gpiote.write(CONFIG + 32, 0)


def test_reset_gives_the_pins_back() -> None:
    """Every kind of reset."""
    _, gpio, gpiote = make()
    gpiote.write(CONFIG, config(TASK, 20, 3, initial=1))
    gpiote.reset(ResetKind.SOFT)
    assert gpio.output(20) is None
    assert gpiote.read(CONFIG) == 0
