# SPDX-License-Identifier: Apache-2.0
"""`nrfota.layout`: the shipped layout, and every bad one refused by name."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nrfota.errors import BuildError, FormatError, UsageError
from nrfota.layout import (
    AclRegion,
    Protect,
    check_image_fits,
    load_layout,
    parse_layout,
)
from support.layouts import LAYOUT, changed, layout

PAGE = 0x1000


def test_the_shipped_layout_is_what_the_specification_quotes() -> None:
    """SPEC.md names these addresses."""
    shipped = layout()
    assert {region.name: region.start for region in shipped.flash_regions} == {
        "mbr": 0x0,
        "app": 0x1000,
        "staging": 0xF0000,
        "bootloader": 0xF6000,
        "journal": 0xFC000,
        "mbr_params": 0xFE000,
        "handshake": 0xFF000,
    }
    assert shipped.ram_region("boot_request").start == 0x2003FC00
    assert shipped.ram_region("boot_status").start == 0x2003FE00
    assert shipped.boot_words == 0xFF8
    assert shipped.journal_page_count == 2


def test_end_means_up_to_the_start_of_the_named_region() -> None:
    """The application grows to the staging region."""
    assert layout().flash_region("app").end == layout().flash_region("staging").start


def test_a_start_follows_from_end_and_size() -> None:
    """Two of start, size and end fix a region."""
    text = changed(LAYOUT, {"flash.staging": {"end": "bootloader", "size": 0x6000}})
    assert parse_layout(text).flash_region("staging").start == 0xF0000


def test_acl_regions_are_those_that_are_protected() -> None:
    """Three of the eight are used."""
    assert layout().acl_regions() == (
        AclRegion(0x0, 0x1000, Protect.WRITE, ("mbr",)),
        AclRegion(0xF6000, 0x6000, Protect.WRITE, ("bootloader",)),
        AclRegion(0xFC000, 0x2000, Protect.READ_WRITE, ("journal",)),
    )


def test_neighbours_with_equal_protection_share_an_acl_region() -> None:
    """Staging and bootloader become one."""
    text = changed(LAYOUT, {"flash.staging.protect": "write"})
    acl = parse_layout(text).acl_regions()
    assert acl[1] == AclRegion(
        0xF0000, 0xC000, Protect.WRITE, ("staging", "bootloader")
    )


@pytest.mark.parametrize(
    ("protect", "perm"),
    [("none", 0), ("write", 2), ("read", 4), ("read_write", 6)],
    ids=["none", "write", "read", "read_write"],
)
def test_perm_is_the_value_of_the_register(protect: str, perm: int) -> None:
    """ACL PERM: bit 1 blocks writes, bit 2 reads."""
    assert Protect(protect).perm == perm


def test_unknown_region_is_a_key_error() -> None:
    """Asking for a region that is not there is our bug."""
    with pytest.raises(KeyError):
        layout().flash_region("nowhere")


def regions(*, count: int, first: int) -> dict[str, Any]:
    """Pages apart from each other, all protected."""
    return {
        f"flash.r{index}": {
            "start": first + 2 * PAGE * index,
            "size": PAGE,
            "protect": "write",
        }
        for index in range(count)
    }


# Name of what is wrong -> (changes to the shipped layout, message).
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "overlap": (
        {"flash.staging.start": 0xF1000},
        r"flash: regions 'staging' \(0x000f1000..0x000f7000\) and 'bootloader' "
        r"\(0x000f6000..0x000fc000\) overlap",
    ),
    "overlap_in_ram": (
        {"ram.boot_request.size": 0x300},
        r"ram: regions 'boot_request' \(0x2003fc00..0x2003ff00\) and 'boot_status' "
        r"\(0x2003fe00..0x20040000\) overlap",
    ),
    "unaligned_start": (
        {"flash.staging": {"start": 0xF0100, "size": 0x6000}},
        "flash: region 'app' is not page aligned: expected size in multiples of "
        "0x1000, got 0xef100",
    ),
    "unaligned_size": (
        {"flash.mbr.size": 0x800},
        "flash: region 'mbr' is not page aligned: expected size in multiples of "
        "0x1000, got 0x800",
    ),
    "unaligned_in_ram": (
        {"ram.mbr.size": 6},
        "ram: region 'mbr' is not word aligned: expected size in multiples of 0x4, "
        "got 0x6",
    ),
    "outside_flash": (
        {"flash.handshake.start": 0x100000},
        r"flash: region 'handshake' \(0x00100000..0x00101000\) lies outside the "
        r"chip's memory 0x00000000..0x00100000",
    ),
    "outside_ram": (
        {"ram.boot_status.size": 0x400},
        r"ram: region 'boot_status' \(0x2003fe00..0x20040200\) lies outside the "
        r"chip's memory 0x20000000..0x20040000",
    ),
    "acl_too_many_regions": (
        {"flash.app": {"start": 0x20000, "end": "staging"}}
        | regions(count=6, first=0x2000),
        r"flash: the ACL has 8 regions, but protecting mbr, r0, r1, r2, r3, r4, r5, "
        r"bootloader, journal needs 9",
    ),
    "acl_region_too_large": (
        {"flash.app.protect": "write"},
        "flash: the ACL cannot protect region 'app' of 0xef000 bytes: expected at "
        "most 0x80000",
    ),
    "unknown_key_top": (
        {"flsh": {}},
        "unknown key 'flsh', expected chip, flash, ram, softdevices",
    ),
    "unknown_key_chip": (
        {"chip.sram": 1},
        "chip: unknown key 'sram', expected name, flash, ram, uicr, acl",
    ),
    "unknown_key_region": (
        {"flash.mbr.adress": 1},
        "flash.mbr: unknown key 'adress', expected start, size, end, budget, protect",
    ),
    "budget_in_ram": (
        {"ram.image.budget": 1},
        "ram.image: unknown key 'budget', expected start, size, end",
    ),
    "missing_key_top": ({"ram": ...}, "key 'ram' is missing"),
    "missing_key_acl": ({"chip.acl.count": ...}, "chip.acl: key 'count' is missing"),
    "missing_region": ({"flash.journal": ...}, "flash: region 'journal' is missing"),
    "missing_ram_region": (
        {"ram.boot_status": ...},
        "ram: region 'boot_status' is missing",
    ),
    "size_missing": (
        {"flash.mbr": {"start": 0}},
        "flash.mbr: expected exactly two of start, size and end, got start",
    ),
    "all_three_given": (
        {"flash.app": {"start": PAGE, "size": PAGE, "end": "staging"}},
        "flash.app: expected exactly two of start, size and end, got start, size, end",
    ),
    "wrong_type_number": (
        {"flash.mbr.size": "4 KB"},
        "flash.mbr: expected size to be a number, got '4 KB'",
    ),
    "wrong_type_boolean": (
        {"flash.mbr.start": False},
        "flash.mbr: expected start to be a number, got False",
    ),
    "wrong_type_text": (
        {"chip.name": 52840},
        "chip: expected name to be text, got 52840",
    ),
    "wrong_type_mapping": (
        {"flash": [1, 2]},
        "flash: expected a mapping, got a list",
    ),
    "wrong_type_key": (
        {"flash": {7: {}}},
        "flash: expected text as key, got 7",
    ),
    "negative_number": (
        {"flash.mbr.start": -4096},
        "flash.mbr: expected start to be 0..0xffffffff, got -4096",
    ),
    "region_name": (
        {"flash.Log-1": {"start": 0, "size": PAGE}},
        "flash: expected names of lower-case letters, digits and '_', got 'Log-1'",
    ),
    "reserved_name": (
        {"flash.ram_log": {"start": 0xE0000, "size": PAGE}},
        "flash: region name 'ram_log' is reserved; expected another one",
    ),
    "end_unknown": (
        {"flash.app.end": "stagin"},
        "flash.app: expected the name of a region after 'end:', got 'stagin'",
    ),
    "end_is_itself": (
        {"flash.app.end": "app"},
        "flash.app: 'end:' references form a cycle: app -> app",
    ),
    "end_cycle": (
        {
            "flash.staging": {"size": 0x6000, "end": "bootloader"},
            "flash.bootloader": {"size": 0x6000, "end": "staging"},
        },
        "flash.staging: 'end:' references form a cycle: "
        "staging -> bootloader -> staging",
    ),
    "end_before_start": (
        {"flash.app.end": "mbr"},
        "flash.app: region 'app' starts at 0x00001000, expected its end of region "
        "'mbr' behind that, got 0x00000000",
    ),
    "empty_region": (
        {"flash.mbr.size": 0},
        "flash.mbr: region 'mbr' starts at 0x00000000, expected its end behind that, "
        "got 0x00000000",
    ),
    "unknown_protection": (
        {"flash.mbr.protect": "execute"},
        "flash.mbr: expected protect to be one of none, write, read, read_write, got "
        "'execute'",
    ),
    "boot_record_open": (
        {"flash.mbr.protect": "none"},
        "flash: expected region 'mbr' to have protect write, got none: only the "
        "bootloader's copy command may change it",
    ),
    "boot_record_hidden": (
        {"flash.mbr.protect": "read_write"},
        "flash: expected region 'mbr' to have protect write, got read_write",
    ),
    "bootloader_open": (
        {"flash.bootloader.protect": "none"},
        "flash: expected region 'bootloader' to have protect write, got none",
    ),
    "bootloader_hidden": (
        {"flash.bootloader.protect": "read_write"},
        "flash: expected region 'bootloader' to have protect write, got read_write: "
        "it runs while it sets the protection",
    ),
    "journal_open": (
        {"flash.journal.protect": "none"},
        "flash: expected region 'journal' to have protect read_write, got none: it "
        "holds the keys",
    ),
    "journal_readable": (
        {"flash.journal.protect": "write"},
        "flash: expected region 'journal' to have protect read_write, got write",
    ),
    "application_hidden": (
        {"flash.app.protect": "read"},
        "flash: expected region 'app' to have protect none or write, got read: the "
        "CPU could not fetch it",
    ),
    "handshake_closed": (
        {"flash.handshake.protect": "write"},
        "flash: expected region 'handshake' to have protect none, got write: the "
        "application confirms there",
    ),
    "mbr_not_at_the_start": (
        {"flash.mbr": {"start": PAGE, "size": PAGE}, "flash.app.start": 2 * PAGE},
        "flash: expected region 'mbr' at 0x00000000, where the CPU starts, got "
        "0x00001000",
    ),
    "budget_over_size": (
        {"flash.bootloader.budget": 0x7000},
        r"flash: region 'bootloader' \(0x000f6000..0x000fc000\) is too small for its "
        r"budget: expected 1..0x6000, got 0x7000",
    ),
    "staging_too_small": (
        {"flash.staging": {"start": 0xF2000, "size": 0x4000}},
        r"flash: region 'staging' \(0x000f2000..0x000f6000\) is too small for an "
        r"image of region 'bootloader' \(0x000f6000..0x000fc000\): expected at least "
        r"0x6000, got 0x4000",
    ),
    "journal_one_page": (
        {"flash.journal.size": PAGE},
        "flash: expected region 'journal' to have 0x2000 bytes, got 0x1000",
    ),
    "ram_too_small": (
        {"ram.boot_request": {"start": 0x2003FC00, "size": 0x80}},
        r"ram: region 'boot_request' \(0x2003fc00..0x2003fc80\) is too small: expected "
        "at least 196 bytes, got 128",
    ),
    "ram_mbr_elsewhere": (
        {"ram.mbr.start": 0x20030000, "ram.image.end": "mbr"},
        "ram: expected region 'mbr' at 0x20000000, where the boot record's contract "
        "puts it, got 0x20030000",
    ),
    "page_not_a_power_of_two": (
        {"chip.flash.page": 0xC00},
        "chip.flash: expected page to be a power of two of at least 256, got 0xc00",
    ),
    "chip_memory_not_whole": (
        {"chip.flash.size": 0x100800},
        "chip.flash: expected base and size in whole units of 0x1000 below 4 GiB, got "
        "base 0x00000000 size 0x100800",
    ),
    "softdevice_outside_app": (
        {"softdevices.s140_v7.app_start": 0xF1000},
        r"softdevices.s140_v7: expected app_start at a page inside region 'app' "
        r"\(0x00001000..0x000f0000\), got 0x000f1000",
    ),
    "softdevice_ram_unaligned": (
        {"softdevices.s140_v7.ram_start": 0x20003004},
        "softdevices.s140_v7: expected ram_start at a multiple of 8 inside region "
        "'image'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_layout_is_refused(case: str) -> None:
    """Each mistake has its sentence, which names the file."""
    changes, message = BAD[case]
    with pytest.raises(FormatError, match=f"^layout.yml: {message}"):
        parse_layout(changed(LAYOUT, changes), source="layout.yml")


BAD_TEXT = {
    "key_twice": (
        "chip: {}\nchip: {}\n",
        "line 2: key 'chip' is given twice",
    ),
    "not_yaml": ("chip: {name: [}\n", "line 1: "),
    "empty": ("", "expected a mapping, got nothing"),
    "a_list": ("- chip\n", "expected a mapping, got a list"),
    "bad_date": ("chip: 2001-99-99\n", "not readable as YAML"),
}


@pytest.mark.parametrize("case", BAD_TEXT)
def test_text_that_is_no_layout_is_refused(case: str) -> None:
    """Also what is not even a mapping."""
    text, message = BAD_TEXT[case]
    with pytest.raises(FormatError, match=f"^layout.yml: {message}"):
        parse_layout(text, source="layout.yml")


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """The path was given by the caller."""
    with pytest.raises(UsageError, match=r"cannot read '.*none.yml': No such file"):
        load_layout(tmp_path / "none.yml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """The byte and its place are named."""
    path = tmp_path / "layout.yml"
    path.write_bytes(b"chip: \xff")
    with pytest.raises(FormatError, match="expected UTF-8 text, got byte 0xff at off"):
        load_layout(path)


def test_image_up_to_the_budget_fits() -> None:
    """The budget is the limit, not the region."""
    check_image_fits(layout(), "bootloader", 0x4000)


def test_region_too_small_for_its_image_is_refused() -> None:
    """Names the region and by how much."""
    message = (
        r"image of 16385 bytes is 1 bytes over the budget of region 'bootloader' "
        r"\(0x000f6000..0x000fc000\): expected at most 16384"
    )
    with pytest.raises(BuildError, match=message):
        check_image_fits(layout(), "bootloader", 0x4001)


def test_image_over_a_region_without_budget_is_refused() -> None:
    """Then the region's size is the limit."""
    with pytest.raises(BuildError, match="bytes over the size of region 'app'"):
        check_image_fits(layout(), "app", 0xEF001)


VALUES = st.one_of(
    st.integers(-1, 2**33), st.booleans(), st.text(max_size=8), st.none(), st.just({})
)
PLACES = st.sampled_from(
    [
        "chip.flash",
        "chip.flash.page",
        "chip.acl.count",
        "flash.app.start",
        "flash.app.end",
        "flash.journal",
        "ram.image.end",
        "softdevices",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(PLACES, VALUES, max_size=1))
def test_changed_layout_is_read_or_refused(changes: dict[str, Any]) -> None:
    """No value raises anything but FormatError."""
    with contextlib.suppress(FormatError):
        parse_layout(changed(LAYOUT, changes))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_refused(text: str) -> None:
    """The shortest good layout is far longer."""
    with pytest.raises(FormatError):
        parse_layout(text)
