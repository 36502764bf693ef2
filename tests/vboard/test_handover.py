# SPDX-License-Identifier: Apache-2.0
"""In which state the shipped bootloader hands the chip to an application.

The application here is a few instructions in assembly that write down what they
find.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from intelhex import IntelHex
from mbr_rig import APP, BLANK, STACK, Rig, assemble
from support.firmware import ROOT, build_dir
from vboard.loader import read_file

WATCHDOG = 0x4001_0000
# What the application reads, in this order.
CORE = (0xE000_E100, 0xE000_E104, 0xE000_E200, 0xE000_E204, 0xE000_ED04, 0xE000_ED08)
BLOCKS = {
    "CLOCK.INTENSET": 0x4000_0304,
    "UARTE0.INTENSET": 0x4000_2304,
    "UARTE0.ENABLE": 0x4000_2500,
    "UARTE1.ENABLE": 0x4002_8500,
    "TIMER0.INTENSET": 0x4000_8304,
    "TIMER1.INTENSET": 0x4000_9304,
    "PPI.CHEN": 0x4001_F500,
    "NVMC.CONFIG": 0x4001_E504,
    "CRYPTOCELL.ENABLE": 0x5002_A500,
    "WDT.RUNSTATUS": WATCHDOG + 0x400,
    "POWER.RESETREAS": 0x4000_0400,
}
EVENTS = {
    "CLOCK.HFCLKSTARTED": 0x4000_0100,
    "UARTE0.ENDTX": 0x4000_2120,
    "UARTE0.TXSTOPPED": 0x4000_2158,
    "TIMER0.COMPARE[1]": 0x4000_8144,
}
READS = (*CORE, *BLOCKS.values(), *EVENTS.values())
SPY = """
reset: mov r0, lr
    mov r1, sp
    mrs r2, ipsr
    mrs r3, control
    mrs r4, primask
    mrs r5, basepri
    open_log
    log r0
    log r1
    log r2
    log r3
    log r4
    log r5
    ldr r0, =0x20000000
    ldr r0, [r0]
    log r0
""" + "".join(f"    ldr r0, ={a:#x}\n    ldr r0, [r0]\n    log r0\n" for a in READS)
END = "    done\n"


_FACTORY: dict[str, list[tuple[int, bytes]]] = {}


def provisioned(folder: Path, source: str) -> Rig:
    """A board with boot record, bootloader, this application and its journal."""
    if source not in _FACTORY:
        _FACTORY[source] = package(folder, source)
    rig = Rig({})
    for address, data in _FACTORY[source]:
        rig.nv.preload(address, data)
    return rig


def package(folder: Path, source: str) -> list[tuple[int, bytes]]:
    """What factory.hex puts into flash."""
    image = IntelHex()
    image.frombytes(assemble(folder, source, base=APP), offset=APP)
    hex_file = folder / "app.hex"
    image.write_hex_file(str(hex_file))
    command = [sys.executable, "-m", "nrfota", "package", "-A1", "--factory"]
    command += [f"-d{build_dir()}", f"--hex-file={hex_file}", f"-o{folder}"]
    command += ["--url=https://x.example/ota.ebin"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return read_file(folder / "factory.hex")


@pytest.fixture
def found(tmp_path: Path) -> dict[str, int]:
    """What the application wrote down, by name."""
    log = provisioned(tmp_path, SPY + END).run()
    names = ["lr", "sp", "ipsr", "control", "primask", "basepri", "forward"]
    names += [hex(address) for address in CORE] + [*BLOCKS, *EVENTS]
    return dict(zip(names, log, strict=True))


def test_the_core_is_as_after_a_reset(found: dict[str, int]) -> None:
    """Thread mode on the application's stack, nothing masked, pending or enabled."""
    assert found["lr"] == BLANK
    assert found["sp"] == STACK
    core = ("ipsr", "control", "primask", "basepri", *(hex(at) for at in CORE))
    assert {name: found[name] for name in core} == dict.fromkeys(core, 0)


def test_exceptions_go_to_the_application(found: dict[str, int]) -> None:
    """The boot record's word holds the application's table; VTOR stayed 0."""
    assert found["forward"] == APP


def test_no_block_is_left_on(found: dict[str, int]) -> None:
    """Disabled, events cleared, and no watchdog on an ordinary boot."""
    names = (*BLOCKS, *EVENTS)
    assert {name: found[name] for name in names} == dict.fromkeys(names, 0)


def test_flash_is_protected(tmp_path: Path) -> None:
    """Boot record and bootloader against writes, the journal against reads too."""
    rig = provisioned(tmp_path, SPY + END)
    rig.run()
    regions = set()
    for index in range(8):
        base = 0x4001_E800 + 16 * index
        regions.add(tuple(rig.board.bus.read(base + offset) for offset in (0, 4, 8)))
    assert regions == {(0, 0, 0), (0, 0x1000, 2), (0xF6000, 0x6000, 2)} | {
        (0xFC000, 0x2000, 6)
    }


@pytest.mark.parametrize("address", [0xFC000, 0xFDFFC], ids=["first_word", "last_word"])
def test_the_journal_cannot_be_read_by_the_application(
    tmp_path: Path, address: int
) -> None:
    """It holds keys: a load is a fault."""
    source = f"""
reset: open_log
    ldr r0, ={address:#x}
    ldr r0, [r0]
    log r0
    done
"""
    rig = provisioned(tmp_path, source)
    faults: list[str] = []
    rig.board.core.exceptions.on_fault = faults.append
    end = rig.board.clock.now_ns + 200_000_000
    rig.board.run(end, stop=lambda: bool(faults) or rig.is_done())
    assert faults
    assert rig.log() == []


def test_reset_reasons_are_taken_and_cleared(tmp_path: Path) -> None:
    """The status has what was found; the register is empty for the next reset."""
    rig = provisioned(tmp_path, SPY + END)
    rig.run()
    for reset, reason in ((rig.board.soft_reset, 4), (rig.board.pin_reset, 1)):
        reset()
        rig.forget_log()
        log = rig.run()
        assert log[-1 - len(EVENTS)] == 0  # POWER.RESETREAS
        status = rig.board.ram_read(0x2003_FE00, 128)
        assert int.from_bytes(status[28:32], "little") == reason


def test_an_inherited_watchdog_is_fed_on_the_way(tmp_path: Path) -> None:
    """It survives the soft reset; the boot itself must not run it out."""
    start = f"""
    poke {WATCHDOG + 0x504:#x}, 3276 // CRV: 100 ms
    poke {WATCHDOG + 0x508:#x}, 0x80 // only channel 7
    poke {WATCHDOG:#x}, 1
"""
    rig = provisioned(tmp_path, SPY + start + END)
    rig.run()
    rig.board.run(rig.board.clock.now_ns + 60_000_000)
    rig.board.soft_reset()
    rig.forget_log()
    rig.run()
    rig.board.run(rig.board.clock.now_ns + 60_000_000)
    assert rig.board.resets == 2  # power-on and ours; none by the watchdog


def test_an_ordinary_boot_takes_little_time(tmp_path: Path) -> None:
    """Hash, protect, one line on the console; nothing is said to the modem."""
    rig = provisioned(tmp_path, SPY + END)
    sent: list[bytes] = []
    modem: list[bytes] = []
    rig.board.uart(0).tx.on_burst = lambda burst: sent.append(burst.data)
    rig.board.uart(1).tx.on_burst = lambda burst: modem.append(burst.data)
    rig.run()
    assert b"".join(sent) == b"boot: start version 1\r\n"
    assert modem == []
    assert rig.board.clock.now_ns < 50_000_000
