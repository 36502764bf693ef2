# SPDX-License-Identifier: Apache-2.0
"""NvMemory: NOR rules, numbered operations, cuts, snapshots, the file."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest
from vboard.errors import GuestError, LoadError, PowerCut
from vboard.nv import FLASH_SIZE, PAGE_SIZE, UICR_BASE, Cut, CutPoint, NvMemory

ADDRESS = 0x4_2000


def word(nv: NvMemory, address: int = ADDRESS) -> int:
    """The word at `address`."""
    return int.from_bytes(nv.read(address, 4), "little")


def test_a_write_gives_old_and_new_and_an_erase_all_ones() -> None:
    """NOR flash: bits only go from 1 to 0 until the page is erased."""
    nv = NvMemory()
    nv.program_word(ADDRESS, 0xA55A_5AA5)
    nv.program_word(ADDRESS, 0xA55A_0000)
    assert word(nv) == 0xA55A_0000
    assert nv.writes_of(ADDRESS) == 2
    nv.erase_page(ADDRESS + 0x123)
    assert nv.read(ADDRESS, PAGE_SIZE) == b"\xff" * PAGE_SIZE
    assert nv.writes_of(ADDRESS) == 0
    assert nv.wear[ADDRESS // PAGE_SIZE] == 1


def test_a_third_write_of_a_word_is_a_fault_unless_not_strict() -> None:
    """nWRITE is 2; the refused write is no operation."""
    for strict in (True, False):
        nv = NvMemory(strict=strict)
        nv.program_word(ADDRESS, 0xFFFF_FFFE)
        nv.program_word(ADDRESS, 0xFFFF_FFFC)
        if strict:
            with pytest.raises(GuestError, match="0x00042000 written more than 2"):
                nv.program_word(ADDRESS, 0)
            assert nv.operations == 2
        else:
            nv.program_word(ADDRESS, 0)
            assert word(nv) == 0


def test_operations_are_numbered_from_1_and_told() -> None:
    """The callback sees each one before it changes anything."""
    nv = NvMemory()
    seen: list[tuple[int, str, int, int, int]] = []
    nv.on_operation = lambda number, kind, address, value: seen.append(
        (number, kind.value, address, value, word(nv))
    )
    nv.program_word(ADDRESS, 5)
    nv.erase_page(ADDRESS)
    nv.erase_uicr()
    nv.erase_all()
    nv.erase_page_partial(ADDRESS, 10)
    blank = 0xFFFF_FFFF
    assert seen == [
        (1, "write", ADDRESS, 5, blank),
        (2, "erase", ADDRESS, 0, 5),
        (3, "erase-uicr", UICR_BASE, 0, blank),
        (4, "erase-all", 0, 0, blank),
        (5, "partial-erase", ADDRESS, 10, blank),
    ]


def test_every_change_is_told() -> None:
    """`on_change` names address and size, so that copies can follow."""
    nv = NvMemory()
    seen: list[tuple[int, int]] = []
    nv.on_change = lambda address, size: seen.append((address, size))
    nv.program_word(ADDRESS, 0)
    nv.erase_page(ADDRESS + 4)
    nv.program_word(UICR_BASE + 0x14, 1)
    nv.preload(0x1FFE, b"abcd")
    assert seen == [
        (ADDRESS, 4),
        (ADDRESS, PAGE_SIZE),
        (UICR_BASE + 0x14, 4),
        (0x1FFE, 2),
        (0x2000, 2),
    ]


@pytest.mark.parametrize("when", list(CutPoint), ids=lambda when: when.value)
def test_a_cut_write_leaves_what_its_point_says(when: CutPoint) -> None:
    """Before: nothing; torn: some of the bits; after: all."""
    nv = NvMemory(seed=1)
    nv.program_word(ADDRESS, 0xFFFF_0000)
    nv.cut = Cut(operation=2, when=when, seed=3)
    with pytest.raises(PowerCut, match=f"power cut {when.value} flash operation 2"):
        nv.program_word(ADDRESS, 0x0000_0000)
    value = word(nv)
    if when is CutPoint.BEFORE:
        assert (value, nv.operations, nv.writes_of(ADDRESS)) == (0xFFFF_0000, 1, 1)
    elif when is CutPoint.TORN:
        assert 0 < value < 0xFFFF_0000
        assert value & 0xFFFF == 0
    else:
        assert (value, nv.operations) == (0, 2)
    assert nv.cut is None


def test_a_torn_erase_raises_a_seeded_part_of_the_bits() -> None:
    """The same seed gives the same page; `done` says how many bits."""
    pages = []
    for seed, done in ((1, 0.5), (1, 0.5), (2, 0.5), (1, 0.0), (1, 1.0)):
        nv = NvMemory()
        nv.preload(ADDRESS, bytes(PAGE_SIZE))
        nv.cut = Cut(operation=1, when="torn", seed=seed, done=done)
        with pytest.raises(PowerCut):
            nv.erase_page(ADDRESS)
        pages.append(nv.read(ADDRESS, PAGE_SIZE))
        assert nv.wear[ADDRESS // PAGE_SIZE] == 0
    half = int.from_bytes(pages[0], "little").bit_count() / (PAGE_SIZE * 8)
    assert pages[0] == pages[1] != pages[2]
    assert 0.45 < half < 0.55
    assert pages[3] == bytes(PAGE_SIZE)
    assert pages[4] == b"\xff" * PAGE_SIZE


def test_unstable_bits_change_at_power_up_until_the_page_is_erased() -> None:
    """A page that reads all ones may be weakly erased and fall back."""
    nv = NvMemory()
    nv.preload(ADDRESS, b"\x0f" * PAGE_SIZE)
    nv.cut = Cut(operation=1, when="torn", done=1.0, unstable=True)
    with pytest.raises(PowerCut):
        nv.erase_page(ADDRESS)
    assert nv.read(ADDRESS, PAGE_SIZE) == b"\xff" * PAGE_SIZE
    seen = set()
    for _ in range(3):
        nv.power_up()
        page = nv.read(ADDRESS, PAGE_SIZE)
        assert page == nv.read(ADDRESS, PAGE_SIZE)
        assert all(byte & 0x0F == 0x0F for byte in page)
        seen.add(page)
    assert len(seen) == 3
    nv.erase_page(ADDRESS)
    nv.power_up()
    assert nv.unstable_pages == ()
    assert nv.read(ADDRESS, PAGE_SIZE) == b"\xff" * PAGE_SIZE


def test_unstable_bits_of_a_torn_write_settle_when_written_again() -> None:
    """A completed write of zeros fixes them."""
    nv = NvMemory()
    nv.cut = Cut(operation=1, when="torn", unstable=True)
    with pytest.raises(PowerCut):
        nv.program_word(ADDRESS, 0xFF00_FF00)
    values = set()
    for _ in range(8):
        nv.power_up()
        values.add(word(nv))
    assert len(values) > 1
    assert all(value & 0xFF00_FF00 == 0xFF00_FF00 for value in values)
    nv.program_word(ADDRESS, 0xFF00_FF00)
    nv.power_up()
    assert word(nv) == 0xFF00_FF00
    assert nv.unstable_pages == ()


def test_partial_slices_add_up_to_one_erase() -> None:
    """9 slices of 10 ms reach 85 ms: all ones, one cycle; before, undefined."""
    nv = NvMemory()
    nv.preload(ADDRESS, bytes(PAGE_SIZE))
    for _ in range(8):
        nv.erase_page_partial(ADDRESS, 10)
    assert nv.read(ADDRESS, PAGE_SIZE) != b"\xff" * PAGE_SIZE
    assert nv.wear[ADDRESS // PAGE_SIZE] == 0
    nv.erase_page_partial(ADDRESS, 10)
    assert nv.read(ADDRESS, PAGE_SIZE) == b"\xff" * PAGE_SIZE
    assert nv.wear[ADDRESS // PAGE_SIZE] == 1


def test_a_power_cycle_forgets_slices() -> None:
    """The sum starts again, as firmware has to assume."""
    nv = NvMemory()
    nv.preload(ADDRESS, bytes(PAGE_SIZE))
    nv.erase_page_partial(ADDRESS, 80)
    nv.power_up()
    nv.erase_page_partial(ADDRESS, 10)
    assert nv.wear[ADDRESS // PAGE_SIZE] == 0


def test_a_snapshot_goes_back_to_the_operation_it_was_taken_at() -> None:
    """Content, write counts, wear, unstable bits and the number."""
    nv = NvMemory()
    nv.program_word(ADDRESS, 1)
    state, digest = nv.snapshot(), nv.hash()
    nv.cut = Cut(operation=3, when="torn", unstable=True)
    nv.program_word(ADDRESS, 0)
    with pytest.raises(PowerCut):
        nv.erase_page(ADDRESS)
    assert nv.hash() != digest
    nv.restore(state)
    assert (word(nv), nv.operations, nv.writes_of(ADDRESS)) == (1, 1, 1)
    assert nv.unstable_pages == ()
    assert nv.hash() == digest == state.hash()


def test_an_operation_can_be_torn_afterwards_but_not_after_something_else() -> None:
    """As a reset does; `restore` and `preload` leave nothing to tear."""
    nv = NvMemory()
    state = nv.snapshot()
    nv.program_word(ADDRESS, 0)
    nv.tear_last(0.5)
    assert 0 < word(nv) < 0xFFFF_FFFF
    nv.tear_last(0.5)
    for undo in (lambda: nv.restore(state), lambda: nv.preload(ADDRESS, bytes(4))):
        nv.restore(state)
        nv.program_word(ADDRESS, 0)
        undo()
        before = word(nv)
        nv.tear_last(0.5)
        assert word(nv) == before


def test_snapshots_share_pages_that_did_not_change() -> None:
    """A snapshot costs the pages that changed, not the whole flash."""
    nv = NvMemory()
    first = nv.snapshot()
    nv.program_word(ADDRESS, 0)
    second = nv.snapshot()
    shared = [a is b for a, b in zip(first.pages, second.pages, strict=True)]
    assert shared.count(False) == 1


def test_restore_tells_of_changed_pages_only() -> None:
    """The CPU need not drop its whole translation cache."""
    nv = NvMemory()
    state = nv.snapshot()
    nv.program_word(ADDRESS, 0)
    seen: list[tuple[int, int]] = []
    nv.on_change = lambda address, size: seen.append((address, size))
    nv.restore(state)
    assert seen == [(ADDRESS, PAGE_SIZE)]


def test_equal_content_has_an_equal_hash_whatever_the_wear() -> None:
    """Deduplication looks at what firmware can tell."""
    one, two = NvMemory(), NvMemory()
    two.erase_page(0)
    assert one.hash() == two.hash()
    two.program_word(0, 0xFFFF_FFFF)  # not visible, but a write of the two
    assert one.hash() != two.hash()


def test_a_saved_memory_opens_as_it_was(tmp_path: Path) -> None:
    """Between two commands nothing is lost, unstable bits and counters included."""
    nv = NvMemory(seed=5)
    nv.preload(0x1000, b"firmware")
    nv.program_word(UICR_BASE + 0x14, 0xF_6000)
    nv.erase_page_partial(0x9000, 40)
    nv.cut = Cut(operation=3, when="torn", unstable=True)
    with pytest.raises(PowerCut):
        nv.program_word(ADDRESS, 0)
    path = tmp_path / "board.nv"
    nv.save(path)
    again = NvMemory.open(path)
    assert again.snapshot() == nv.snapshot()
    assert again.ficr == nv.ficr
    assert [path] == list(tmp_path.iterdir())
    nv.power_up()
    again.power_up()
    assert again.hash() == nv.hash()


def _damaged(data: bytes, what: str) -> bytes:
    header = json.loads(data[16 : 16 + struct.unpack_from("<L", data, 12)[0]])
    match what:
        case "magic":
            return b"X" + data[1:]
        case "short":
            return data[:12]
        case "version":
            return data[:8] + b"\x02" + data[9:]
        case "bit":
            return data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]
        case _:
            header["unstable"] = [1]
            text = json.dumps(header).encode()
            old = struct.unpack_from("<L", data, 12)[0]
            body = data[:12] + struct.pack("<L", len(text)) + text + data[16 + old : -4]
            return body + struct.pack("<L", zlib.crc32(body))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("magic", "expected a non-volatile memory file"),
        ("short", "expected at least 20 bytes, got 12"),
        ("version", "expected format 1, got 2"),
        ("bit", "checksum does not match"),
        ("length", "expected [0-9]+ bytes, got [0-9]+"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, what: str, message: str) -> None:
    """One sentence with what was expected, and the path."""
    path = tmp_path / "board.nv"
    NvMemory().save(path)
    path.write_bytes(_damaged(path.read_bytes(), what))
    with pytest.raises(LoadError, match=f"{message}.*board.nv"):
        NvMemory.open(path)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """The reason of the operating system is in it."""
    with pytest.raises(LoadError, match=r"cannot read .*none.nv: No such file"):
        NvMemory.open(tmp_path / "none.nv")


def test_preload_is_no_operation_and_counts_one_write() -> None:
    """As after a programmer: firmware may write such a word once more."""
    nv = NvMemory()
    nv.preload(0x1002, b"\x12\x34" + b"\xff" * 4)
    assert nv.operations == 0
    assert [nv.writes_of(a) for a in (0x1000, 0x1004)] == [1, 0]
    nv.program_word(0x1000, 0)
    with pytest.raises(GuestError, match="more than 2 times"):
        nv.program_word(0x1000, 0)


@pytest.mark.parametrize("address", [-4, FLASH_SIZE - 3, 0x1000_0000, UICR_BASE + 4093])
def test_preload_outside_of_flash_and_uicr_is_refused(address: int) -> None:
    """FICR and RAM cannot be programmed."""
    with pytest.raises(LoadError, match="expected data inside flash"):
        NvMemory().preload(address, b"abcd")


def test_wrong_arguments_are_refused() -> None:
    """Programming errors of the caller, one sentence each."""
    nv = NvMemory()
    with pytest.raises(GuestError, match="aligned words, not 0x00000002"):
        nv.program_word(2, 0)
    with pytest.raises(ValueError, match="expected a flash address, got 0x20000000"):
        nv.erase_page(0x2000_0000)
    with pytest.raises(ValueError, match="is not flash, UICR or FICR"):
        nv.read(0x2000_0000, 4)
    with pytest.raises(ValueError, match="expected an operation of 1 or more, got 0"):
        Cut(operation=0, when="torn")
    with pytest.raises(ValueError, match=r"expected done in 0\.\.1, got 2"):
        Cut(operation=1, when="torn", done=2)
    with pytest.raises(ValueError, match="half"):
        Cut(operation=1, when="half")


def test_ficr_follows_the_seed_and_names_the_chip() -> None:
    """PS, FICR: part, memory sizes, revision words; ids differ between chips."""
    one, same, two = NvMemory(seed=1), NvMemory(seed=1), NvMemory(seed=2)
    assert one.ficr == same.ficr != two.ficr
    assert word(one, 0x1000_0100) == 0x52840
    assert word(one, 0x1000_0010) * word(one, 0x1000_0014) == FLASH_SIZE
    assert (word(one, 0x1000_0130), word(one, 0x1000_0134)) == (8, 3)
    assert len(one.ficr) == PAGE_SIZE
