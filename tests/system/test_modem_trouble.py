# SPDX-License-Identifier: Apache-2.0
"""Whole updates with a modem or a line in trouble, and watchdogs left running."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from device import Device, Release, release
from vboard.modem.faults import FaultPlan
from vboard.modem.power_key import connect_pwrkey, parse_pin
from vboard.wire import Burst

OLD_RUNS = "app: version 1 running (reason update failed)"
NEW_RUNS = "app: version 2 running (reason trial)"
CONFIRMED = "app: confirmed version 2"
PWRKEY = parse_pin("1.03")
RXD = parse_pin("1.01")
BYTE_NS = 86_806  # at 115,200 baud
BREAK_NS = 2 * BYTE_NS  # another rate: a framing error for each byte


@pytest.fixture
def new() -> Release:
    """Version 2, four pages."""
    return release(2, "-DAPP_PAD_BYTES=12000")


@pytest.fixture
def device(tmp_path: Path, new: Release) -> Device:
    """Version 1 running, version 2 in the modem, the power key wired."""
    factory = release(1, factory=True).factory
    assert factory is not None
    device = Device(factory=factory, modem_dir=tmp_path)
    connect_pwrkey(device.board.block("GPIO"), device.modem, PWRKEY)
    device.store("fw_2.ebin", new.ebin)
    return device


def leave_watchdog(device: Device, period_ms: int) -> None:
    """Before the application starts its own: it finds one that runs."""
    watchdog = device.board.block("WDT")
    watchdog.write(0x504, period_ms * 32768 // 1000 - 1)
    watchdog.write(0x000, 1)


def start(device: Device, new: Release) -> list[object]:
    """Asks for the update; the list gets the kinds of the resets from then on."""
    assert device.run_until("app: version 1 running (reason normal)")
    device.request(new.fw_info, "E:/fw_2.ebin")
    resets: list[object] = []
    device.board.on_reset.append(resets.append)
    return resets


def noise(
    device: Device, while_: Callable[[], bool], *, byte_ns: int, size: int, gap_ns: int
) -> None:
    """Random bytes on the modem's line, as long as `while_()` holds."""
    rng = random.Random(4)
    clock = device.board.clock

    def send() -> None:
        if while_():
            data = rng.randbytes(size)
            device.modem.tx.send(Burst(clock.now_ns, byte_ns, data))
            clock.call_after_ns(byte_ns * size + gap_ns, send)

    send()


@pytest.mark.slow
@pytest.mark.parametrize("period_ms", [16_000, 2_000], ids=["16s", "2s"])
def test_modem_that_is_off_is_switched_on_in_spite_of_noise(
    device: Device, new: Release, period_ms: int
) -> None:
    """Framing errors without end: the ladder is climbed up to the power key."""
    leave_watchdog(device, period_ms)
    resets = start(device, new)
    device.modem.power_off()
    device.modem.supplied = True
    noise(
        device,
        lambda: device.modem.boots == 0,
        byte_ns=BREAK_NS,
        size=2,
        gap_ns=20_000_000,
    )
    assert device.run_until(NEW_RUNS, max_s=300)
    assert device.modem.boots == 1
    assert resets == []


@pytest.mark.slow
def test_line_that_is_flooded_for_a_while(device: Device, new: Release) -> None:
    """No pause between bytes for ten seconds; the watchdog allows two."""
    leave_watchdog(device, 2_000)
    resets = start(device, new)
    end_ns = device.board.clock.now_ns + 10_000_000_000
    noise(
        device,
        lambda: device.board.clock.now_ns < end_ns,
        byte_ns=BYTE_NS,
        size=512,
        gap_ns=0,
    )
    assert device.run_until(NEW_RUNS, max_s=300)
    assert device.board.clock.now_ns > end_ns
    assert resets == []


@pytest.mark.parametrize("period_ms", [2_000, 1_000, 300])
def test_update_under_a_short_watchdog_of_the_application(
    device: Device, new: Release, period_ms: int
) -> None:
    """Page erases, the modem's pauses and its restart never run it out."""
    leave_watchdog(device, period_ms)
    device.modem.faults.faults += FaultPlan.parse(
        "rebootinblock:command=CFTRANTX,nth=12,offset=100;"
        "stall:command=CFTRANTX,nth=45,ms=5000,offset=7"
    ).faults
    resets = start(device, new)
    assert device.run_until(NEW_RUNS, max_s=300)
    assert all(fault.fired for fault in device.modem.faults.faults)
    assert resets == []


@pytest.mark.parametrize("kind", ["soft_reset", "pin_reset", "watchdog_reset"])
def test_reset_in_mid_update_finds_the_modem_at_its_fast_rate(
    device: Device, new: Release, kind: str
) -> None:
    """The chip starts again at 115,200 baud, the modem stays at 460,800."""
    start(device, new)
    assert device.run_until("boot: check ok")
    device.run_until("never", max_s=0.3)
    assert device.modem.port.baud == 460_800
    getattr(device.board, kind)()
    assert device.run_until("boot: resume step 2")
    assert device.run_until(CONFIRMED)


@pytest.mark.parametrize("baud", [115_200, 230_400, 460_800, 921_600])
def test_modem_left_at_any_rate(device: Device, new: Release, baud: int) -> None:
    """By an application or by an update that was cut."""
    start(device, new)
    device.modem.port.baud = baud
    assert device.run_until(CONFIRMED)


def test_two_megabytes_of_something_else(device: Device, new: Release) -> None:
    """A file of another size is not even read."""
    device.store("fw_2.ebin", random.Random(2).randbytes(2_000_000))
    start(device, new)
    assert device.run_until(OLD_RUNS, max_s=60)


def keys_in_ram(device: Device, *releases: Release) -> list[str]:
    """Where four bytes of a key or of an IV are in RAM."""
    ram = device.board.ram_read(0x2000_0000, 0x4_0000)
    secrets = [info.fw_info[16:48] for info in releases]
    found = []
    for secret in secrets:
        for offset in range(0, 32, 4):
            at = ram.find(secret[offset : offset + 4])
            if at >= 0:
                found.append(f"word {offset // 4} at 0x{0x2000_0000 + at:08x}")
    return found


def test_no_key_is_in_ram_when_an_application_runs(
    device: Device, new: Release
) -> None:
    """After an update, an ordinary boot, and a request that was refused."""
    old = release(1, factory=True)
    start(device, new)
    assert device.run_until("app: version 2")
    assert keys_in_ram(device, old, new) == []
    assert device.run_until(CONFIRMED)
    for _ in range(2):
        device.console = ""
        device.board.soft_reset()
        assert device.run_until("app: version 2 running (reason normal)")
        assert keys_in_ram(device, old, new) == []
    device.request(new.fw_info, "E:/fw_2.ebin")
    assert device.run_until("app: version 2 running (reason update refused)")
    assert keys_in_ram(device, old, new) == []
