# SPDX-License-Identifier: Apache-2.0
"""The boot record as bootloaders and applications made for Nordic's use it."""

from __future__ import annotations

import struct

import pytest
from mbr_rig import APP, BLANK, BOOTLOADER, PARAMS, RAM, words
from mbr_sdk_rig import HANDLER, THREAD_MSP, THREAD_PSP, SdkRig
from support.sdk_image import image
from vboard import Cut
from vboard.errors import PowerCut

OTHER_BOOTLOADER = 0xE4000
NEW_IMAGE = 0x80000
OLD, NEW, APPLICATION = 1, 2, 3
COPY_BL, COPY_SD, INIT_SD, COMPARE, BASE_SET, RESERVED, FORWARD = range(7)
SUCCESS, NO_MEM, INVALID_PARAM, INVALID_LENGTH = 0, 4, 7, 9
NULL, FORBIDDEN, INVALID_ADDR = 14, 15, 16
CONTEXTS = [
    pytest.param(THREAD_MSP, id="thread_msp"),
    pytest.param(THREAD_PSP, id="thread_psp"),
    pytest.param(HANDLER, id="handler"),
]
RESETREAS, GPREGRET, GPREGRET2 = 0x4000_0400, 0x4000_051C, 0x4000_0520
WDT = 0x4001_0000


def bootloader(identity: int = OLD, *, base: int = BOOTLOADER) -> bytes:
    """An SDK-like bootloader."""
    return image("sdk_bootloader", base=base, identity=identity)


def application() -> bytes:
    """An SDK-like application right behind the boot record."""
    return image("sdk_application", base=APP, identity=APPLICATION)


def new_bootloader(size: int = 0x3000, *, base: int = BOOTLOADER) -> bytes:
    """Another bootloader, with data behind it up to `size`."""
    code = bootloader(NEW, base=base)
    return code + bytes(i * 37 >> 3 & 0xFF for i in range(size - len(code)))


def single(value: float) -> float:
    """Rounded to the FPU's precision."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def expected_floats() -> tuple[float, float, float]:
    """What the application's three calculations give without interrupts."""
    mine, low, high = 1.0, 0.0, 0.0
    for _ in range(50):
        mine = single(single(mine * single(1.01)) + 0.5)
        for i in range(8):
            low = single(single(low * 0.5) + i)
            high = single(single(high * 0.75) + 3.0)
    return mine, low, high


def test_application_with_fpu_interrupts_systick_and_faults() -> None:
    """Every exception arrives, nested ones with their FPU frames intact."""
    rig = SdkRig({BOOTLOADER: bootloader(), APP: application()})
    box = rig.run()
    assert (box.who, box.boots, box.result) == (APPLICATION, 2, SUCCESS)
    ticks, pends, nested, *floats = box.values[:6]
    assert ticks >= 20
    assert pends == ticks
    assert nested == 50
    assert expected_floats() == struct.unpack("<3f", struct.pack("<3I", *floats))
    assert box.values[6:9] == (42, 5, 1)  # own SVC and its number; one fault
    assert box.values[9] == APP  # the forward address


def test_entry_state_of_the_application() -> None:
    """Thread mode on its own stack, nothing masked, VTOR 0."""
    box = SdkRig({BOOTLOADER: bootloader(), APP: application()}).run()
    entry = (box.lr, box.msp, box.control, box.primask, box.ipsr, box.vtor)
    assert entry == (BLANK, 0x2003_0000, 0, 0, 0, 0)


def test_entry_state_of_the_bootloader() -> None:
    """As after a reset, straight from the boot record."""
    box = SdkRig({BOOTLOADER: bootloader()}).run()
    assert (box.who, box.boots) == (OLD, 1)
    entry = (box.lr, box.msp, box.control, box.primask, box.ipsr, box.vtor)
    assert entry == (BLANK, 0x2003_0000, 0, 0, 0, 0)


def test_boot_leaves_acl_reset_reason_registers_and_watchdog_alone() -> None:
    """After a soft reset they are what the program before left."""
    rig = SdkRig({BOOTLOADER: bootloader()})
    rig.run()
    write = rig.board.bus.write
    write(GPREGRET, 0xB1)
    write(GPREGRET2, 0xA9)
    rig.board.block("WDT").write(0x504, 2 * 32768 - 1)
    rig.board.block("WDT").write(0x000, 1)
    rig.board.soft_reset()
    rig.clear()
    rig.run()
    read = rig.board.bus.read
    assert (read(RESETREAS), read(GPREGRET), read(GPREGRET2)) == (4, 0xB1, 0xA9)
    assert read(WDT + 0x400) == 1
    regions = [read(0x4001_E804 + 16 * n) for n in range(8)]
    assert regions == [0x1000, PARAMS - BOOTLOADER, 0, 0, 0, 0, 0, 0]


def spinning(size: int = 0x2000) -> bytes:
    """A bootloader that touches nothing: `b .`."""
    code = words(0x2003_0000, BOOTLOADER + 9) + b"\xfe\xe7"
    return code.ljust(size, b"\x5a")


@pytest.mark.parametrize("is_copying", [False, True], ids=["boot", "copy"])
def test_ram_of_the_boot_record_is_two_words_and_a_stack(is_copying: bool) -> None:
    """A boot leaves all other RAM as it was, also when it copies a bootloader."""
    if is_copying:
        rig = SdkRig({BOOTLOADER: bootloader(), NEW_IMAGE: spinning()})
        rig.ask(COPY_BL, NEW_IMAGE, len(spinning()) // 4)
    else:
        rig = SdkRig({BOOTLOADER: spinning()})
    pattern = (bytes(range(1, 252)) * 1100)[:0x40000]
    rig.board.on_reset.append(lambda kind: rig.board.ram_write(RAM, pattern))
    rig.board.soft_reset()
    if is_copying:
        rig.ask(COPY_BL, NEW_IMAGE, len(spinning()) // 4)
    rig.board.run(rig.board.clock.now_ns + 2_000_000_000)
    assert rig.nv.read(BOOTLOADER, 0x2000) == spinning()
    assert rig.board.resets == (4 if is_copying else 2)
    after = rig.board.ram_read(RAM, 0x40000)
    changed = [at for at in range(0x40000) if after[at] != pattern[at]]
    stack = range(0x3FC00 - 512, 0x3FC00)
    assert [at for at in changed if at >= 8 and at not in stack] == []


@pytest.mark.parametrize(
    ("own", "uicr", "expected"),
    [
        pytest.param((BOOTLOADER, PARAMS), (BLANK, BLANK), OLD, id="own_words"),
        pytest.param((BLANK, BLANK), (BOOTLOADER, PARAMS), OLD, id="uicr_only"),
        pytest.param(
            (BOOTLOADER, PARAMS), (OTHER_BOOTLOADER, PARAMS), OLD, id="own_first"
        ),
        pytest.param(
            (OTHER_BOOTLOADER, PARAMS), (BOOTLOADER, PARAMS), NEW, id="own_first_2"
        ),
        pytest.param((0x1234_5678, 0), (BOOTLOADER, PARAMS), OLD, id="garbage_own"),
        pytest.param((BOOTLOADER, PARAMS), (0x1234_5678, 3), OLD, id="garbage_uicr"),
        pytest.param((0, 0), (0, 0), APPLICATION, id="zero"),
        pytest.param((BLANK, BLANK), (BLANK, BLANK), APPLICATION, id="none"),
        pytest.param((0x90000, PARAMS), (BLANK, BLANK), APPLICATION, id="blank_flash"),
        pytest.param((BOOTLOADER + 4, 0), (BLANK, 0), APPLICATION, id="unaligned"),
        pytest.param((0x2000_0000, 0), (BLANK, 0), APPLICATION, id="in_ram"),
    ],
)
def test_where_the_bootloader_is(
    own: tuple[int, int], uicr: tuple[int, int], expected: int
) -> None:
    """Own words, then UICR, each only when something there can run."""
    images = {
        BOOTLOADER: bootloader(),
        OTHER_BOOTLOADER: bootloader(NEW, base=OTHER_BOOTLOADER),
        APP: application(),
    }
    rig = SdkRig(images, boot_words=own, uicr=uicr)
    rig.ask(COMPARE, 0, 0, 4)
    assert rig.run().who == expected


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param((COPY_BL, NEW_IMAGE, 0), INVALID_LENGTH, id="copy_bl_nothing"),
        pytest.param((COPY_BL, 0x2000_1000, 64), INVALID_LENGTH, id="copy_bl_ram"),
        pytest.param((COPY_BL, BLANK, 64), INVALID_LENGTH, id="copy_bl_nowhere"),
        pytest.param((COPY_BL, 0xFFFFC, 2), INVALID_LENGTH, id="copy_bl_past_end"),
        pytest.param((COPY_BL, NEW_IMAGE, 1 << 30), INVALID_LENGTH, id="copy_bl_wrap"),
        pytest.param(
            (COPY_BL, NEW_IMAGE, 0x4000_0010), INVALID_LENGTH, id="copy_bl_wrap_2"
        ),
        pytest.param((COPY_SD, NEW_IMAGE, 0, 64), INVALID_LENGTH, id="copy_sd_on_mbr"),
        pytest.param(
            (COPY_SD, NEW_IMAGE, 0xFF000, 0x401), INVALID_LENGTH, id="copy_sd_past_end"
        ),
        pytest.param(
            (COPY_SD, NEW_IMAGE, 0x90000, 0x4000_0001),
            INVALID_LENGTH,
            id="copy_sd_wrap",
        ),
        pytest.param((COMPARE, 0, 0, 256), SUCCESS, id="compare_equal"),
        pytest.param((COMPARE, 0, NEW_IMAGE, 256), NULL, id="compare_different"),
        pytest.param((RESERVED,), INVALID_PARAM, id="reserved"),
        pytest.param((7,), INVALID_PARAM, id="unknown"),
        pytest.param((0x8000_0000,), INVALID_PARAM, id="unknown_large"),
    ],
)
def test_refusals_change_nothing(
    command: tuple[int, ...], expected: int, context: int
) -> None:
    """The documented code, from thread mode on both stacks and from a handler."""
    rig = SdkRig({BOOTLOADER: bootloader()})
    before = bytes(rig.nv.flash)
    rig.ask(*command, context=context)
    assert rig.run().result == expected
    assert before == rig.nv.flash
    assert rig.board.resets == 1


@pytest.mark.parametrize(
    "command",
    [
        pytest.param((COMPARE, 0, 0, 0x4000_0000), id="length_wraps"),
        pytest.param((COMPARE, 0, 0, BLANK), id="length_is_all_ones"),
        pytest.param((COMPARE, 0xFFFFC, 0xFFFFC, 2), id="past_the_end_of_flash"),
        pytest.param((COMPARE, 0x2003_FFFC, 0x2003_FFFC, 2), id="past_the_end_of_ram"),
        pytest.param((COMPARE, 0x4000_0000, 0x4000_0000, 1), id="registers"),
    ],
)
def test_compare_stays_inside_of_memory(command: tuple[int, ...]) -> None:
    """A range that leaves its memory is no fault and not equal."""
    rig = SdkRig({BOOTLOADER: bootloader()})
    rig.ask(*command)
    assert rig.run().result == INVALID_LENGTH


def test_without_a_parameter_page_there_is_no_memory() -> None:
    """COPY_BL and VECTOR_TABLE_BASE_SET need one."""
    for command in ((COPY_BL, NEW_IMAGE, 64), (BASE_SET, APP)):
        rig = SdkRig({BOOTLOADER: bootloader()}, boot_words=(BOOTLOADER, BLANK))
        rig.ask(*command)
        assert rig.run().result == NO_MEM


def test_without_a_bootloader_copying_one_is_forbidden() -> None:
    """The application asks."""
    rig = SdkRig({APP: application()}, boot_words=(BLANK, PARAMS))
    rig.ask(COPY_BL, NEW_IMAGE, 64)
    assert rig.run().result == FORBIDDEN


@pytest.mark.parametrize("context", CONTEXTS)
def test_copy_sd_from_every_context(context: int) -> None:
    """Two pages, erased from the page of the target on, and verified."""
    data = new_bootloader(0x1804)
    rig = SdkRig({BOOTLOADER: bootloader(), NEW_IMAGE: data, 0x90000: b"\0" * 0x2000})
    rig.ask(COPY_SD, NEW_IMAGE, 0x90000, len(data) // 4, context=context)
    assert rig.run().result == SUCCESS
    assert data.ljust(0x2000, b"\xff") == rig.nv.read(0x90000, 0x2000)
    assert rig.board.resets == 1


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize(
    ("own", "uicr"),
    [
        pytest.param((BOOTLOADER, PARAMS), (BLANK, BLANK), id="own_words"),
        pytest.param((BLANK, BLANK), (BOOTLOADER, PARAMS), id="uicr"),
    ],
)
def test_copy_bl_runs_the_new_bootloader(
    own: tuple[int, int], uicr: tuple[int, int], context: int
) -> None:
    """By resets; afterwards nothing of the boot record is left behind."""
    new = new_bootloader()
    rig = SdkRig({BOOTLOADER: bootloader(), NEW_IMAGE: new}, boot_words=own, uicr=uicr)
    rig.board.bus.write(GPREGRET, 0x5A)
    rig.ask(COPY_BL, NEW_IMAGE, len(new) // 4, context=context)
    box = rig.run()
    assert box.who == NEW
    assert new == rig.nv.read(BOOTLOADER, len(new))
    assert rig.nv.read(PARAMS, 4096) == b"\xff" * 4096
    read = rig.board.bus.read
    assert (read(RESETREAS), read(GPREGRET)) == (4, 0x5A)
    sizes = [read(0x4001_E804 + 16 * n) for n in range(8)]
    assert sizes == [0x1000, PARAMS - BOOTLOADER, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("period_ms", [2000, 1000, 250])
def test_copy_bl_under_a_watchdog_that_was_left_running(period_ms: int) -> None:
    """It outlives the soft resets and must be fed on all its channels."""
    new = new_bootloader(0x6000)
    rig = SdkRig({BOOTLOADER: bootloader(), NEW_IMAGE: new})
    watchdog = rig.board.block("WDT")
    watchdog.write(0x504, period_ms * 32768 // 1000 - 1)
    watchdog.write(0x508, 0xC1)
    watchdog.write(0x000, 1)
    rig.ask(COPY_BL, NEW_IMAGE, len(new) // 4)
    assert rig.run().who == NEW
    assert rig.board.bus.read(RESETREAS) == 4  # no watchdog reset among them
    assert rig.board.resets == 3


def test_vector_table_base_is_kept_and_given_up() -> None:
    """Boots that table until the command comes with 0."""
    rig = SdkRig({BOOTLOADER: bootloader(), APP: application()})
    rig.ask(BASE_SET, APP)
    assert rig.run().who == APPLICATION
    rig.power_cycle()
    assert (rig.run().who, rig.box().boots) == (APPLICATION, 1)
    rig.ask(BASE_SET, 0)
    rig.board.soft_reset()
    assert rig.run().who == APPLICATION
    assert rig.box().boots == 3  # the caller, the bootloader, the application


def test_a_record_is_written_whole_before_each_run_of_the_copy() -> None:
    """A torn commit may read right at one power-up and wrong at the next.

    So a boot that goes on with the copy relies on no record of an earlier one.
    """
    new = new_bootloader(0x2000)
    rig = SdkRig({BOOTLOADER: bootloader(), NEW_IMAGE: new})
    written: list[int] = []
    rig.nv.on_operation = lambda number, kind, address, value: written.append(address)
    rig.ask(COPY_BL, NEW_IMAGE, len(new) // 4)
    for _ in range(3):
        rig.nv.cut = Cut(operation=rig.nv.operations + 100, when="torn")
        with pytest.raises(PowerCut):
            rig.run()
        rig.power_cycle()
        written.clear()
        rig.board.run(stop=lambda: any(at < PARAMS for at in written))
        assert len(written) == 9
        assert all(PARAMS < at < PARAMS + 0x200 for at in written[:8])
    assert rig.run().who == NEW
