# SPDX-License-Identifier: Apache-2.0
"""GPIO: outputs, inputs, pulls, sense and latch on both ports."""

from __future__ import annotations

import pytest
from register_bench import Bench
from vboard.errors import GuestError
from vboard.fabric import ResetKind
from vboard.peripherals.gpio import Gpio, pin_name
from vboard.peripherals.gpio import Register as R

P1 = 0x300
PIN_CNF = 0x700
OUTPUT, INPUT, INPUT_PULL_UP, INPUT_PULL_DOWN = 0x3, 0x0, 0xC, 0x4
SENSE_HIGH, SENSE_LOW = 2 << 16, 3 << 16


def make() -> tuple[Bench, Gpio]:
    """Both ports."""
    bench = Bench()
    gpio = Gpio(bench.clock, bench.bus)
    bench.add(gpio)
    return bench, gpio


@pytest.mark.parametrize(("port", "pin"), [(0, 0), (0, 31), (1, 0), (1, 15)])
def test_an_output_drives_its_pin(port: int, pin: int) -> None:
    """OUT, OUTSET, OUTCLR, DIRSET, DIRCLR; callbacks hear of changes."""
    _, gpio = make()
    number = 32 * port + pin
    at = P1 * port
    seen: list[int | None] = []
    gpio.on_output(number, seen.append)
    gpio.write(at + R.DIRSET, 1 << pin)
    gpio.write(at + R.OUTSET, 1 << pin)
    gpio.write(at + R.OUTSET, 1 << pin)
    assert gpio.output(number) == 1
    assert gpio.read(at + R.OUT) == 1 << pin
    gpio.write(at + R.OUTCLR, 1 << pin)
    gpio.write(at + R.OUT, 1 << pin)
    gpio.write(at + R.DIRCLR, 1 << pin)
    assert seen == [0, 1, 0, 1, None]


def test_dir_and_pin_cnf_are_one_bit() -> None:
    """Writing one shows in the other."""
    _, gpio = make()
    gpio.write(PIN_CNF + 4 * 6, OUTPUT)
    assert gpio.read(R.DIR) == 1 << 6
    gpio.write(R.DIR, 1 << 7)
    assert gpio.read(PIN_CNF + 4 * 6) == 2
    assert gpio.read(PIN_CNF + 4 * 7) == 3
    assert gpio.read(R.DIRSET) == gpio.read(R.DIRCLR) == 1 << 7


def test_an_input_reads_the_outside_then_its_pull() -> None:
    """Outside level first, pull resistor else, 0 when nothing holds the pin."""
    _, gpio = make()
    gpio.write(PIN_CNF + 4 * 11, INPUT_PULL_UP)
    assert gpio.read(R.IN) == 1 << 11
    gpio.set_pin(11, 0)
    assert gpio.read(R.IN) == 0
    gpio.set_pin(11, None)
    assert gpio.read(R.IN) == 1 << 11
    gpio.write(PIN_CNF + 4 * 11, INPUT_PULL_DOWN)
    assert gpio.read(R.IN) == 0
    gpio.set_pin(11, 1)
    gpio.write(PIN_CNF + 4 * 11, INPUT)
    assert gpio.read(R.IN) == 1 << 11


def test_a_disconnected_input_buffer_reads_zero() -> None:
    """The reset state of a pin."""
    _, gpio = make()
    gpio.set_pin(3, 1)
    assert gpio.read(R.IN) == 0
    assert gpio.level(3) == 1


def test_open_drain_lets_a_one_go() -> None:
    """DRIVE S0D1: 0 is driven, 1 is left to the outside."""
    _, gpio = make()
    gpio.write(PIN_CNF + 4 * 2, 0x1 | 0xC | 6 << 8)
    assert gpio.output(2) == 0
    gpio.write(R.OUTSET, 1 << 2)
    assert gpio.output(2) is None
    assert gpio.read(R.IN) == 1 << 2
    gpio.set_pin(2, 0)
    assert gpio.read(R.IN) == 0


def test_detect_follows_the_sensing_pins() -> None:
    """DETECT is up while any pin senses its level."""
    bench, gpio = make()
    detect = bench.bus.signal("DETECT")
    gpio.write(PIN_CNF + 4 * 4, INPUT_PULL_UP | SENSE_LOW)
    gpio.write(P1 + PIN_CNF + 4 * 2, INPUT_PULL_DOWN | SENSE_HIGH)
    assert detect.level == 0
    gpio.set_pin(4, 0)
    assert detect.level == 1
    gpio.set_pin(34, 1)
    gpio.set_pin(4, 1)
    assert detect.level == 1
    gpio.set_pin(34, 0)
    assert detect.level == 0
    assert gpio.read(R.LATCH) == 1 << 4
    assert gpio.read(P1 + R.LATCH) == 1 << 2


def test_a_latch_bit_stays_while_its_pin_senses() -> None:
    """Clearing it too early brings it back, and DETECT rises again."""
    bench, gpio = make()
    edges: list[int | None] = []
    bench.bus.signal("DETECT").watch(edges.append)
    gpio.write(R.DETECTMODE, 1)
    gpio.write(PIN_CNF + 4 * 4, INPUT_PULL_UP | SENSE_LOW)
    gpio.set_pin(4, 0)
    gpio.write(R.LATCH, 1 << 4)
    assert gpio.read(R.LATCH) == 1 << 4
    gpio.set_pin(4, 1)
    assert edges == [1, 0, 1]
    gpio.write(R.LATCH, 1 << 4)
    assert gpio.read(R.LATCH) == 0
    assert edges == [1, 0, 1, 0]


def test_resets() -> None:
    """Pins float after every reset but System OFF."""
    _, gpio = make()
    gpio.write(PIN_CNF + 4 * 6, OUTPUT)
    gpio.write(R.OUTSET, 1 << 6)
    gpio.reset(ResetKind.SYSTEM_OFF)
    assert gpio.output(6) == 1
    gpio.reset(ResetKind.SOFT)
    assert gpio.output(6) is None
    assert gpio.read(PIN_CNF + 4 * 6) == 2
    assert gpio.read(R.OUT) == 0


def test_bad_accesses_name_port_and_register() -> None:
    """P1 has sixteen pins, IN is read-only, holes are holes."""
    _, gpio = make()
    with pytest.raises(GuestError, match=r"GPIO\.P1\.IN: the register is read-only"):
        gpio.write(P1 + R.IN, 0)
    with pytest.raises(GuestError, match=r"GPIO\.\+0xa40: no register"):
        gpio.write(P1 + PIN_CNF + 4 * 16, 0)
    with pytest.raises(GuestError, match=r"GPIO\.\+0x500: no register"):
        gpio.read(0x500)
    assert gpio.register_name(P1 + PIN_CNF + 8) == "P1.PIN_CNF[2]"


def test_pin_names() -> None:
    """As on the schematic."""
    assert pin_name(6) == "P0.06"
    assert pin_name(34) == "P1.02"
