# SPDX-License-Identifier: Apache-2.0
"""`nrfota.image` and `nrfota.segment`: one image from a program's segments."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nrfota.errors import BuildError, FormatError, OtaError
from nrfota.image import SD_INFO, SD_MAGIC, Image, build_image
from nrfota.segment import Segment
from support.elf_builder import counting
from support.layouts import layout

LAYOUT = layout()
VECTORS = struct.pack("<II", 0x20010000, 0x1009)


def part(address: int, size: int, name: str = ".text") -> Segment:
    return Segment(address, counting(address, size), f"section '{name}'")


def softdevice(*, app_start: int, magic: int = SD_MAGIC) -> list[Segment]:
    """A SoftDevice file: a boot record, then bytes with its information."""
    body = bytearray(counting(0x1000, SD_INFO + 0x100))
    body[SD_INFO + 4 : SD_INFO + 12] = struct.pack("<II", magic, app_start)
    return [
        Segment(0x0, bytes(0xB00), "data of line 2"),
        Segment(0x1000, bytes(body), "data of line 99"),
    ]


def build(*segments: Segment, **options: object) -> Image:
    return build_image(segments, layout=LAYOUT, **options)  # type: ignore[arg-type]


def test_gaps_are_blank() -> None:
    """Between segments, in any order given."""
    image = build(part(0x1100, 16, ".data"), part(0x1000, 32))
    expected = counting(0x1000, 32) + b"\xff" * 0xE0 + counting(0x1100, 16)
    assert image.plain == expected
    assert (image.region.name, image.start) == ("app", 0x1000)


def test_bootloader_is_recognised_by_its_address() -> None:
    """The same command packs it."""
    image = build(part(0xF6000, 32))
    assert (image.region.name, image.start) == ("bootloader", 0xF6000)


def test_large_gap_is_worth_a_notice() -> None:
    """It costs air time."""
    image = build(part(0x1000, 16), part(0x20000, 16, ".late"))
    assert image.notices[0] == (
        "the gap of 126960 bytes between section '.text' (0x00001000..0x00001010) and "
        "section '.late' (0x00020000..0x00020010) is filled with 0xFF and downloaded "
        "with the image"
    )


def test_image_without_vector_table_is_worth_a_notice() -> None:
    """It would not start; a good one has no notice."""
    assert build(Segment(0x1000, VECTORS + b"code", "x")).notices == ()
    (notice,) = build(part(0x1000, 16)).notices
    assert notice.startswith("the image does not begin with a vector table")


def test_softdevice_goes_in_front() -> None:
    """The image starts at the region; the boot record's part is dropped."""
    app = part(0x27000, 64)
    image = build(app, softdevice=softdevice(app_start=0x27000))
    assert image.start == 0x1000
    assert image.plain[0x26000:] == counting(0x27000, 64)
    assert image.plain[:16] == counting(0x1000, 16)
    assert image.plain[SD_INFO + 0x100] == 0xFF
    assert image.notices[0] == (
        "dropped 2816 bytes of the SoftDevice file that belong to region 'mbr' "
        "(0x00000000..0x00001000): the boot record is not part of an update"
    )


def test_softdevice_in_one_run_with_the_boot_record_is_cut() -> None:
    """A file without a gap between them."""
    one = [Segment(0, counting(0, 0x1800), "data of line 1")]
    image = build(part(0x27000, 8), softdevice=one)
    assert image.plain[:0x800] == counting(0x1000, 0x800)


def test_uicr_is_kept_apart_when_allowed() -> None:
    """For factory.hex alone."""
    uicr = part(0x10001200, 8, ".uicr")
    image = build(part(0x1000, 16), uicr, allow_uicr=True)
    assert image.uicr == (uicr,)
    assert image.notices[0] == (
        "section '.uicr' (0x10001200..0x10001208) is not in the update, which cannot "
        "write UICR: it goes into factory.hex alone"
    )
    assert image.plain == counting(0x1000, 16)


BAD: dict[str, tuple[Sequence[Segment], dict[str, object], str]] = {
    "outside_flash": (
        [part(0x1000, 8), part(0x20000000, 8, ".ramfunc")],
        {},
        r"section '.ramfunc' \(0x20000000..0x20000008\) lies outside flash "
        r"0x00000000..0x00100000",
    ),
    "across_the_end_of_flash": (
        [part(0xFFFF8, 16, ".end")],
        {},
        r"section '.end' \(0x000ffff8..0x00100008\) lies outside flash",
    ),
    "uicr": (
        [part(0x1000, 8), part(0x10001014, 4, ".uicr")],
        {},
        r"section '.uicr' \(0x10001014..0x10001018\) lies in UICR, which an update "
        "cannot write; --allow-uicr keeps it for factory.hex alone",
    ),
    "ficr": (
        [part(0x10000000, 4, ".ficr")],
        {"allow_uicr": True},
        "section '.ficr' .* lies outside flash",
    ),
    "nothing": ([], {}, "the program has nothing in flash"),
    "overlap": (
        [part(0x1000, 32), part(0x1010, 8, ".vectors")],
        {},
        r"section '.text' \(0x00001000..0x00001020\) and section '.vectors' "
        r"\(0x00001010..0x00001018\) overlap",
    ),
    "in_boot_record": (
        [part(0x0, 32), part(0x1000, 32)],
        {},
        r"section '.text' \(0x00000000..0x00000020\) overlaps region 'mbr' "
        r"\(0x00000000..0x00001000\), expected it inside region 'app'",
    ),
    "in_bootloader": (
        [part(0x1000, 32), part(0xF6000, 32, ".late")],
        {},
        r"section '.late' \(0x000f6000..0x000f6020\) overlaps region 'bootloader' "
        r"\(0x000f6000..0x000fc000\), expected it inside region 'app'",
    ),
    "in_staging": (
        [part(0x1000, 32), part(0xEFFF0, 32, ".late")],
        {},
        "section '.late' .* overlaps region 'staging' .*, expected it inside region",
    ),
    "in_journal": (
        [part(0xFC000, 32)],
        {},
        "section '.text' .* overlaps region 'journal'",
    ),
    "app_too_late": (
        [part(0x2000, 32)],
        {},
        r"the image starts with section '.text' \(0x00002000..0x00002020\), expected "
        r"it at 0x00001000 \(region 'app'\) or 0x000f6000 \(region 'bootloader'\)$",
    ),
    "unaligned": ([part(0x1004, 32)], {}, "the image starts with .* expected it at"),
    "softdevice_missing": (
        [part(0x27000, 32)],
        {},
        "; an application behind a SoftDevice needs --softdevice$",
    ),
    "softdevice_expects_another_place": (
        [part(0x26000, 32)],
        {"softdevice": softdevice(app_start=0x27000)},
        "the SoftDevice starts the application at 0x00027000, but it is linked at "
        "0x00026000",
    ),
    "softdevice_is_only_a_boot_record": (
        [part(0x26000, 32)],
        {"softdevice": [Segment(0, bytes(0x100), "data of line 1")]},
        "the SoftDevice file has nothing behind region 'mbr'",
    ),
    "softdevice_too_late": (
        [part(0x26000, 32)],
        {"softdevice": [Segment(0x2000, bytes(0x100), "data of line 1")]},
        "SoftDevice data of line 1 .*: expected a SoftDevice to start at 0x00001000",
    ),
    "softdevice_outside_app": (
        [part(0x26000, 32)],
        {"softdevice": [Segment(0xF6000, bytes(0x100), "data of line 1")]},
        "SoftDevice data of line 1 .* overlaps region 'bootloader'",
    ),
    "softdevice_over_app": (
        [part(0x1800, 32)],
        {"softdevice": softdevice(app_start=0, magic=0)},
        "SoftDevice data of line 99 .* and section '.text' .* overlap",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_work_is_refused(case: str) -> None:
    """Each mistake has its sentence."""
    segments, options, message = BAD[case]
    with pytest.raises(FormatError, match=message):
        build(*segments, **options)


def test_bootloader_over_its_budget_is_refused() -> None:
    """16 KB of the region's 24 KB."""
    with pytest.raises(BuildError, match="bytes over the budget of region 'bootload"):
        build(part(0xF6000, 0x4001))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.integers(0, 0x102000),
                st.sampled_from([0x1000, 0xF6000, 0x10001000, 0x20000000]),
            ),
            st.integers(1, 600),
        ),
        max_size=4,
    )
)
def test_an_image_lies_in_its_region_or_is_refused(rows: list[tuple[int, int]]) -> None:
    """Whatever is accepted is where it was linked, and nothing else is there."""
    segments = [part(address, size) for address, size in rows]
    try:
        image = build(*segments)
    except OtaError:
        return
    region = image.region
    assert region.start + len(image.plain) <= region.end
    for segment in segments:
        at = segment.address - image.start
        assert image.plain[at : at + len(segment.data)] == segment.data
