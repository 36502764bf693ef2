# SPDX-License-Identifier: Apache-2.0
"""What an application cannot do, and which keys it cannot find.

The bootloader is the shipped binary; the application is an intruder.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.firmware import build_dir
from support.intruder import ERASE, RESULTS, WRITE, Attack, application, attacks
from support.intruder import results as read_results
from system.device import Device, Release, package, release
from vboard.errors import PowerCut
from vboard.nv_cut import Cut

ERASEPAGE, ERASEALL, ERASEPAGEPARTIAL = 0x4001_E508, 0x4001_E50C, 0x4001_E518
ACL = 0x4001_E800
JOURNAL, JOURNAL_SIZE = 0xFC000, 0x2000
PARAMS, HANDSHAKE = 0xFE000, 0xFF000
SECRET = slice(16, 48)  # key and IV in the fw_info
# Pages that the application may not change, and two words of each.
PAGES = {
    "boot_record": 0x00000,
    "bootloader_start": 0xF6000,
    "bootloader_end": 0xFB000,
    "journal_0": 0xFC000,
    "journal_1": 0xFD000,
}
FREE = {"mbr_params": PARAMS, "handshake": HANDSHAKE}
SPIN = "reset: b reset"


def write_attacks() -> list[Attack]:
    """Stores and erases of all kinds on every protected page."""
    found = []
    for name, page in PAGES.items():
        for offset in (0, 0xFFC):
            found.append(Attack(f"store {name}+{offset:x}", page + offset, 0, WRITE))
        found.append(Attack(f"erase {name}", ERASEPAGE, page, ERASE))
        found.append(Attack(f"erase_partial {name}", ERASEPAGEPARTIAL, page, ERASE))
    found.append(Attack("erase_all", ERASEALL, 1, ERASE))
    return found


def read_attacks() -> list[Attack]:
    """Loads from the journal."""
    addresses = (0xFC000, 0xFC034, 0xFCFFC, 0xFD000, 0xFDFFC)
    return [Attack(f"load {at:x}", at, load=True) for at in addresses]


def open_accesses() -> list[Attack]:
    """What must work: two pages are the application's and the boot record's."""
    found = []
    for name, page in FREE.items():
        found.append(Attack(f"erase {name}", ERASEPAGE, page, ERASE))
        found.append(Attack(f"store {name}", page, 0x1234_5678, WRITE))
        found.append(Attack(f"load {name}", page, load=True))
    found.append(Attack("load boot record", 0x0FF8, load=True))
    found.append(Attack("load bootloader", 0xF6000, load=True))
    return found


def acl_attacks() -> list[Attack]:
    """Stores that would take the protection away, before anything else is tried."""
    offsets = range(0x30)
    return [
        Attack(f"acl+{offset:x}", ACL + offset, value)
        for offset in offsets
        if offset % 16 in (0, 4, 8)
        for value in (0, 0x1000)
    ]


def intruder_device(folder: Path, wanted: list[Attack]) -> Device:
    """A device that left the factory with the intruder as its application."""
    hex_file = application(folder, attacks(wanted))
    made = package_hex(hex_file, 1, factory=True)
    assert made.factory is not None
    return Device(factory=made.factory, modem_dir=folder / "modem", faults="guest")


def package_hex(hex_file: Path, version: int, *, factory: bool = False) -> Release:
    """Like `package`, with the tests' build directory for the rest."""
    return package(hex_file, version, build=build_dir(), factory=factory)


def attacked(device: Device, wanted: list[Attack]) -> dict[str, int]:
    """Runs the intruder to its end: BusFaults by name of the attack."""
    found: list[int] | None = None

    def is_over() -> bool:
        nonlocal found
        size = 4 * (len(wanted) + 1)
        found = read_results(device.board.ram_read(RESULTS, size), len(wanted))
        return found is not None

    device.board.ram_write(RESULTS, bytes(4 * (len(wanted) + 1)))
    device.board.run(device.board.clock.now_ns + 5_000_000_000, stop=is_over)
    assert found is not None, f"pc 0x{device.board.cpu.get('pc'):08x}"
    return {attack.name: n for attack, n in zip(wanted, found, strict=True)}


def test_the_application_cannot_change_what_the_device_needs(tmp_path: Path) -> None:
    """Each store and erase is a BusFault; the NVMC counts them; nothing changes."""
    wanted = [*acl_attacks(), *write_attacks(), *read_attacks()]
    device = intruder_device(tmp_path, wanted)
    before = bytes(device.nv.flash)
    counts = attacked(device, wanted)
    blocked = [*write_attacks(), *read_attacks()]
    assert counts == {
        **{attack.name: 0 for attack in acl_attacks()},
        **{attack.name: 1 for attack in blocked},
    }
    assert device.board.block("NVMC").blocked == len(write_attacks())  # type: ignore[attr-defined]
    assert bytes(device.nv.flash) == before
    assert device.nv.operations == 0
    device.power_cycle()
    assert device.run_until("boot: start version 1")


def test_two_pages_stay_open(tmp_path: Path) -> None:
    """Hand-shake page and the boot record's parameters; reading code is allowed."""
    wanted = open_accesses()
    device = intruder_device(tmp_path, wanted)
    counts = attacked(device, wanted)
    assert counts == {attack.name: 0 for attack in wanted}
    for page in FREE.values():
        assert device.nv.read(page, 4) == bytes.fromhex("78563412")


def test_the_protection_registers_stay_as_they_are(tmp_path: Path) -> None:
    """A second write of an ACL register is ignored."""
    wanted = acl_attacks()
    device = intruder_device(tmp_path, wanted)
    attacked(device, wanted)
    assert set(device.board.block("ACL").regions) == {  # type: ignore[attr-defined]
        (0x00000, 0x1000, 2),
        (0xF6000, 0x6000, 2),
        (JOURNAL, JOURNAL_SIZE, 6),
    }


# Keys


def find(memory: bytes, info: bytes) -> list[str]:
    """Where half of the key or of the IV is: 8 bytes say enough."""
    secret = info[SECRET]
    halves = {f"{at}..{at + 7}": secret[at : at + 8] for at in range(0, 32, 8)}
    return [
        f"bytes {name} at +0x{memory.find(half):x}"
        for name, half in halves.items()
        if half in memory
    ]


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """Version 1 runs, its file is in the modem."""
    old = release(1, factory=True)
    assert old.factory is not None
    device = Device(factory=old.factory, modem_dir=tmp_path / "modem")
    device.store("fw_1.ebin", old.ebin)
    assert device.run_until("app: version 1 running (reason normal)")
    return device


def update(device: Device, version: int, name: str) -> Release:
    """Updates to `version`, confirmed and committed."""
    new = release(version)
    device.store(name, new.ebin)
    device.request(new.fw_info, f"E:/{name}")
    assert device.run_until(f"app: confirmed version {version}"), device.console
    device.power_cycle()
    assert device.run_until(f"app: version {version} running (reason normal)")
    return new


def test_keys_of_versions_that_are_out_of_reach_are_gone(device: Device) -> None:
    """Two previous versions are kept; the key of the one before is nowhere."""
    infos = [release(1, factory=True).fw_info]
    infos += [update(device, n, f"fw_{n}.ebin").fw_info for n in (2, 3, 4)]
    flash = bytes(device.nv.flash)
    assert find(flash, infos[0]) == []
    journal = flash[JOURNAL : JOURNAL + JOURNAL_SIZE]
    for info in infos[1:]:
        assert len(find(journal, info)) == 4
        assert find(flash[:JOURNAL] + flash[JOURNAL + JOURNAL_SIZE :], info) == []


def test_the_key_of_a_refused_file_is_gone(device: Device) -> None:
    """The update was given up: its key is not kept."""
    new = release(2)
    device.store("fw_2.ebin", new.ebin[:-16])
    device.request(new.fw_info, "E:/fw_2.ebin")
    assert device.run_until("running (reason update failed)", max_s=300)
    assert find(bytes(device.nv.flash), new.fw_info) == []
    assert find(device.board.ram_read(0x2000_0000, 0x40000), new.fw_info) == []


def test_the_key_of_a_version_that_was_rolled_back_is_gone(device: Device) -> None:
    """It did not work and cannot be gone back to."""
    new = release(2, "-DAPP_FAULT=lockup")
    device.store("fw_2.ebin", new.ebin)
    device.request(new.fw_info, "E:/fw_2.ebin")
    assert device.run_until("running (reason rolled back)", max_s=300)
    assert find(bytes(device.nv.flash), new.fw_info) == []


@pytest.mark.parametrize("when", ["before", "torn", "after"])
def test_power_cuts_around_commit_leave_no_old_key(device: Device, when: str) -> None:
    """Every operation of COMMIT is cut; after the next boot the old key is gone.

    The key is that of version 1, whose place in the modem version 4 takes.
    """
    gone = release(1, factory=True).fw_info
    for version in (2, 3):
        update(device, version, f"fw_{version}.ebin")
    new = release(4)
    device.store("fw_4.ebin", new.ebin)
    device.request(new.fw_info, "E:/fw_4.ebin")
    assert device.run_until("app: confirmed version 4"), device.console
    device.modem.power_off()
    state, first = device.nv.snapshot(), device.nv.operations + 1
    device.power_cycle()
    assert device.run_until("app: version 4 running (reason normal)")
    last = device.nv.operations
    assert last > first
    # Words of the snapshot are alike: the first, the last, and all around the seal.
    numbers = sorted({first, first + 1, *range(last - 7, last + 1)})
    for number in numbers:
        device.nv.restore(state)
        device.nv.cut = Cut(operation=number, when=when, seed=number)
        device.power_cycle()
        with pytest.raises(PowerCut):
            device.run_until("app: version 4 running (reason normal)")
        device.power_cycle()
        where = f"commit[cut=#{number}:{when},seed={number}]"
        assert device.run_until("app: version 4 running (reason normal)"), where
        assert find(bytes(device.nv.flash), gone) == [], where


def trial_of_a_spinner(device: Device, folder: Path) -> Release:
    """Asks for version 2, an application that leaves RAM as it finds it."""
    new = package_hex(application(folder, SPIN), 2)
    device.store("fw_2.ebin", new.ebin)
    device.request(new.fw_info, "E:/fw_2.ebin")
    return new


def assert_no_keys(device: Device, *infos: bytes) -> None:
    """Neither in RAM nor in the CryptoCell, at the application's first steps."""
    device.run_until("nothing says this", max_s=0.2)
    assert 0x1000 <= device.board.cpu.get("pc") < 0x2000
    ram = device.board.ram_read(0x2000_0000, 0x40000)
    engine = device.board.block("CC310").aes  # type: ignore[attr-defined]
    words = [*engine.key, *engine.iv, *engine.ctr]
    registers = b"".join(word.to_bytes(4, "little") for word in words)
    for info in infos:
        assert find(ram, info) == []
        assert find(registers, info) == []


@pytest.mark.parametrize("reset", ["none", "pin_reset", "soft_reset", "watchdog_reset"])
def test_no_key_is_in_ram_when_the_application_starts(
    device: Device, tmp_path: Path, reset: str
) -> None:
    """Nor after a reset in the middle of PROGRAM, which leaves RAM as it was."""
    new = trial_of_a_spinner(device, tmp_path)
    if reset != "none":
        assert device.run_until("boot: check ok")
        device.run_until("nothing says this", max_s=0.05)
        ram = device.board.ram_read(0x2000_0000, 0x40000)
        assert len(find(ram, new.fw_info)) == 4  # there was something to wipe
        getattr(device.board, reset)()
    assert device.run_until("boot: start version 2")
    assert_no_keys(device, new.fw_info, release(1, factory=True).fw_info)
