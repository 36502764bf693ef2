# SPDX-License-Identifier: Apache-2.0
"""Register names, offsets and reset values against Nordic's SVD (pyocd carries it)."""

from __future__ import annotations

import enum
import functools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from register_bench import Bench
from vboard.fabric import Peripheral
from vboard.nv import NvMemory
from vboard.peripherals import acl, ficr, nvmc, power, rng, temp, uicr, wdt

pyocd = pytest.importorskip("pyocd")

# Ours: what the SVD calls otherwise, or does not have.
RENAMED = {
    ("POWER", "APPROTECT_FORCEPROTECT"): None,  # a block of its own in newer files
    ("POWER", "APPROTECT_DISABLE"): None,
    ("FICR", "TRNG90B_BYTES"): "TRNG90B_BYTES",
}
ENUMS: dict[str, type[enum.IntEnum]] = {
    "NVMC": nvmc.Register,
    "WDT": wdt.Register,
    "RNG": rng.Register,
    "TEMP": temp.Register,
    "POWER": power.Register,
    "FICR": ficr.FicrRegister,
    "UICR": uicr.UicrRegister,
}


@functools.cache
def svd() -> dict[str, dict[int, tuple[str, int | None]]]:
    """Peripheral: offset: (name, reset value). Indexes are appended to names."""
    archive = Path(pyocd.__file__).parent / "debug" / "svd" / "svd_data.zip"
    with zipfile.ZipFile(archive) as file:
        root = ElementTree.fromstring(file.read("nrf52840.svd"))
    return {
        str(peripheral.findtext("name")): dict(_registers(peripheral.find("registers")))
        for peripheral in root.iter("peripheral")
        if peripheral.find("registers") is not None
    }


def _registers(
    parent: ElementTree.Element | None, base: int = 0, prefix: str = ""
) -> Iterator[tuple[int, tuple[str, int | None]]]:
    for item in () if parent is None else parent:
        if item.tag not in ("register", "cluster"):
            continue
        count = int(item.findtext("dim") or "1", 0)
        step = int(item.findtext("dimIncrement") or "0", 0)
        for index in range(count):
            offset = base + int(str(item.findtext("addressOffset")), 0) + step * index
            name = str(item.findtext("name")).replace("[%s]", str(index))
            if item.tag == "cluster":
                yield from _registers(item, offset, f"{prefix}{name}_")
                continue
            reset = item.findtext("resetValue")
            yield offset, (prefix + name, None if reset is None else int(reset, 0))


@pytest.mark.parametrize("block", ENUMS)
def test_every_register_of_ours_has_the_svds_name_at_its_offset(block: str) -> None:
    """A dot in the name becomes an underscore, an index is appended."""
    for register in ENUMS[block]:
        expected = RENAMED.get((block, register.name), register.name)
        if expected is None:
            continue
        found = svd()[block][register.value][0]
        if block == "NVMC" and register.name == "ERASEPAGE":
            found = "ERASEPAGE"  # ERASEPCR1 is at the same offset
        assert (hex(register.value), found) == (hex(register.value), expected)


@pytest.mark.parametrize("name", ["NVMC", "ACL", "WDT", "TEMP"])
def test_reset_values_are_the_svds(name: str) -> None:
    """Of every register that the SVD gives one for."""
    bench = Bench()
    parts = (bench.clock, bench.bus)
    blocks: dict[str, Peripheral] = {
        "NVMC": nvmc.Nvmc(*parts, nv=NvMemory()),
        "ACL": acl.Acl(*parts),
        "WDT": wdt.Wdt(*parts),
        "TEMP": temp.Temp(*parts),
    }
    block = blocks[name]
    page = block.base & ~0xFFF
    checked = 0
    for offset, (register, reset) in svd()[name].items():
        if reset is not None:
            value = block.read(page + offset - block.base)
            assert (register, value) == (register, reset)
            checked += 1
    assert checked


def test_every_svd_register_of_power_can_be_read() -> None:
    """None is missing; events and INTEN are the page owner's."""
    part = power.PowerRegisters(Bench().bus)
    shared = re.compile("EVENTS_|INTEN")
    for offset, (register, _) in svd()["POWER"].items():
        if not shared.match(register):
            part.read(offset)
