# SPDX-License-Identifier: Apache-2.0
"""Names, offsets and reset values of every block, against Nordic's SVD file.

The SVD comes with the pyocd package. It is older than APPROTECT and lacks a few
registers that the product specification has; those are listed here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyocd
import pytest
from vboard.board import Board
from vboard.fabric import Peripheral
from vboard.nv import NvMemory

SVD = Path(pyocd.__file__).parent / "debug" / "svd" / "svd_data.zip"

# Block on the board: peripherals of the SVD that share its page.
SHARED = {
    "CLOCK": ("CLOCK", "POWER"),
    "UARTE0": ("UARTE0", "UART0"),
    "GPIO": ("P0", "P1"),
    "CC310": (),
    "FICR": (),
    "UICR": (),
    "CRYPTOCELL": ("CRYPTOCELL",),
    **{f"EGU{n}": (f"EGU{n}", f"SWI{n}") for n in range(6)},
}
# In the product specification, not in the SVD.
NOT_IN_SVD = {
    "CLOCK": {"APPROTECT_FORCEPROTECT", "APPROTECT_DISABLE"},
}
# In the SVD, not on this chip: three CC registers in RTC0, four in TIMER0 to 2.
NOT_ON_CHIP = {
    "RTC0": {"CC_3", "EVENTS_COMPARE_3"},
    **{
        f"TIMER{n}": {
            f"{name}_{channel}"
            for name in ("CC", "EVENTS_COMPARE", "TASKS_CAPTURE")
            for channel in (4, 5)
        }
        for n in range(3)
    },
}
NOT_ON_P1 = {f"PIN_CNF_{pin}" for pin in range(16, 32)}
# The SVD says 0, but: HFINT runs, all RAM is on, NVMC is ready; RXD has no value
# while the legacy UART is off.
OTHER_RESET = {
    "CLOCK": {"HFCLKSTAT", "RAMSTATUS"},
    "NVMC": {"READYNEXT"},
    "UARTE0": {"RXD"},
}


@dataclass(frozen=True)
class SvdRegister:
    """One register, arrays taken apart."""

    offset: int
    name: str
    access: str
    reset: int


@dataclass(frozen=True)
class SvdPeripheral:
    """One peripheral."""

    base: int
    registers: tuple[SvdRegister, ...]


def plain(name: str) -> str:
    """`CH[3].EEP` and `CH_3_EEP` are the same name."""
    return name.replace("[", "_").replace("]", "").replace(".", "_")


def walk(node: ET.Element, base: int, prefix: str) -> Iterator[SvdRegister]:
    """Registers below `node`."""
    for child in node:
        if child.tag not in ("register", "cluster"):
            continue
        count = int(child.findtext("dim") or "1", 0)
        step = int(child.findtext("dimIncrement") or "0", 0)
        start = base + int(child.findtext("addressOffset") or "0", 0)
        for index in range(count):
            name = prefix + (child.findtext("name") or "").replace("%s", str(index))
            offset = start + index * step
            if child.tag == "cluster":
                yield from walk(child, offset, name + ".")
            else:
                yield SvdRegister(
                    offset,
                    plain(name),
                    child.findtext("access") or "read-write",
                    int(child.findtext("resetValue") or "0", 0),
                )


def load() -> dict[str, SvdPeripheral]:
    """Every peripheral of the nRF52840."""
    with zipfile.ZipFile(SVD) as archive:
        (member,) = (n for n in archive.namelist() if n.lower() == "nrf52840.svd")
        root = ET.fromstring(archive.read(member))
    nodes = {node.findtext("name") or "": node for node in root.iter("peripheral")}
    result = {}
    for name, node in nodes.items():
        registers = node.find("registers")
        if registers is None:
            registers = nodes[node.attrib["derivedFrom"]].find("registers")
        assert registers is not None
        base = int(node.findtext("baseAddress") or "0", 0)
        result[name] = SvdPeripheral(base, tuple(walk(registers, 0, "")))
    return result


PERIPHERALS = load()
BOARD = Board(NvMemory(seed=1))
BLOCKS = {block.name: block for block in BOARD.bus.blocks}
MODELLED = {
    name: block
    for name, block in BLOCKS.items()
    if SHARED.get(name, (name,)) and SHARED.get(name, (name,))[0] in PERIPHERALS
    if not hasattr(block, "allowed")
}


def expected(block: Peripheral) -> dict[int, list[SvdRegister]]:
    """Registers by offset in the block; a few have two names."""
    result: dict[int, list[SvdRegister]] = {}
    absent = NOT_ON_CHIP.get(block.name, set())
    for name in SHARED.get(block.name, (block.name,)):
        peripheral = PERIPHERALS[name]
        for register in peripheral.registers:
            if register.name in absent or (name == "P1" and register.name in NOT_ON_P1):
                continue
            offset = peripheral.base + register.offset - block.base
            result.setdefault(offset, []).append(register)
    return result


def name_of(block: Peripheral, offset: int) -> str:
    """The block's name of a register, in the SVD's spelling."""
    name = block.register_name(offset)
    if block.name == "GPIO":
        name = name.split(".", 1)[-1]
    return plain(name)


def test_all_blocks_are_compared() -> None:
    """A block that drops out of the comparison would go unnoticed."""
    assert len(MODELLED) >= 26, sorted(MODELLED)


@pytest.mark.parametrize("name", MODELLED)
def test_names_and_offsets_are_those_of_the_svd(name: str) -> None:
    """Every register of the SVD is there under its name."""
    block = MODELLED[name]
    wrong = {
        f"{offset:#05x}": (name_of(block, offset), registers[0].name)
        for offset, registers in expected(block).items()
        if name_of(block, offset) not in {register.name for register in registers}
    }
    assert wrong == {}


@pytest.mark.parametrize(
    "name", [n for n, b in MODELLED.items() if hasattr(b, "register_names")]
)
def test_there_is_no_register_that_the_svd_does_not_have(name: str) -> None:
    """Nothing invented."""
    block = MODELLED[name]
    known = expected(block)
    extra = {
        name_of(block, offset) for offset in block.register_names if offset not in known
    }
    assert extra - NOT_IN_SVD.get(name, set()) == set()


@pytest.mark.parametrize("name", MODELLED)
def test_reset_values_are_those_of_the_svd(name: str) -> None:
    """Whatever can be read has its reset value after power-on."""
    block = MODELLED[name]
    wrong = {}
    for offset, registers in expected(block).items():
        register = registers[0]
        if register.access == "write-only" or register.name in OTHER_RESET.get(
            name, ()
        ):
            continue
        value = block.read(offset)
        if value != register.reset:
            wrong[register.name] = (hex(value), hex(register.reset))
    assert wrong == {}
