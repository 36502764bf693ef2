# SPDX-License-Identifier: Apache-2.0
"""`svc #0x18`: commands, error codes, and who may call."""

from __future__ import annotations

from pathlib import Path

import pytest
from mbr_rig import APP, BLANK, BOOTLOADER, PARAMS, Rig, assemble

SUCCESS, INTERNAL, NO_MEM, INVALID_PARAM = 0, 3, 4, 7
INVALID_LENGTH, NULL, FORBIDDEN, INVALID_ADDR = 9, 14, 15, 16
OTHER = 0x30000  # an address in flash that no program uses


def asker(folder: Path, *requests: tuple[int, ...], base: int = BOOTLOADER) -> bytes:
    """A program that asks once for each request and logs the results."""
    asks = "\n".join(f"    ask request{index}" for index in range(len(requests)))
    data = "\n".join(
        f"request{index}: .word {', '.join(hex(word) for word in request)}"
        for index, request in enumerate(requests)
    )
    source = f"reset: open_log\n{asks}\n    done\n.ltorg\n.align 2\n{data}\n"
    return assemble(folder, source, base=base)


@pytest.mark.parametrize(
    ("request_words", "expected"),
    [
        pytest.param((0, OTHER, 0), INVALID_LENGTH, id="copy_bl_of_nothing"),
        pytest.param((0, 0x2000_0000, 16), INVALID_LENGTH, id="copy_bl_from_ram"),
        pytest.param((0, 0xFFFF0, 16), INVALID_LENGTH, id="copy_bl_source_past_end"),
        pytest.param((0, OTHER, 0x4000), INVALID_LENGTH, id="copy_bl_target_past_end"),
        pytest.param((0, OTHER, BLANK), INVALID_LENGTH, id="copy_bl_length_overflow"),
        pytest.param((0, OTHER + 2, 16), INVALID_ADDR, id="copy_bl_unaligned"),
        pytest.param((0, BOOTLOADER + 8, 16), INVALID_ADDR, id="copy_bl_onto_itself"),
        pytest.param((0, PARAMS, 16), INVALID_ADDR, id="copy_bl_from_params"),
        pytest.param((0, OTHER, 0x2400), INVALID_ADDR, id="copy_bl_over_params"),
        pytest.param((1, OTHER, 0, 16), INVALID_LENGTH, id="copy_sd_over_the_mbr"),
        pytest.param((1, OTHER, 0xFFC, 16), INVALID_LENGTH, id="copy_sd_into_mbr_page"),
        pytest.param((1, OTHER, 0xFFFF0, 16), INVALID_LENGTH, id="copy_sd_past_end"),
        pytest.param((1, 0x4000_0000, OTHER, 16), INVALID_LENGTH, id="copy_sd_source"),
        pytest.param((1, OTHER + 8, OTHER, 16), INVALID_ADDR, id="copy_sd_overlap"),
        pytest.param((1, OTHER, OTHER + 2, 16), INVALID_ADDR, id="copy_sd_unaligned"),
        pytest.param((2,), INVALID_ADDR, id="init_sd_without_softdevice"),
        pytest.param((3, 0x100, 0x100, 64), SUCCESS, id="compare_equal"),
        pytest.param((3, 0x100, OTHER, 64), NULL, id="compare_different"),
        pytest.param((4, 2), INVALID_ADDR, id="vector_table_unaligned"),
        pytest.param((4, OTHER), INVALID_ADDR, id="vector_table_blank"),
        pytest.param((5,), INVALID_PARAM, id="reserved"),
        pytest.param((7,), INVALID_PARAM, id="unknown"),
        pytest.param((BLANK,), INVALID_PARAM, id="unknown_large"),
    ],
)
def test_results(tmp_path: Path, request_words: tuple[int, ...], expected: int) -> None:
    """A command that cannot be done says why and changes nothing."""
    rig = Rig({BOOTLOADER: asker(tmp_path, request_words)})
    before = bytes(rig.nv.flash)
    assert [expected] == rig.run()
    assert before == rig.nv.flash


def test_copy_bl_and_vector_table_need_a_parameter_page(tmp_path: Path) -> None:
    """NO_MEM without one."""
    image = asker(tmp_path, (0, OTHER, 16), (4, BOOTLOADER))
    rig = Rig({BOOTLOADER: image}, boot_words=(BOOTLOADER, BLANK))
    assert rig.run() == [NO_MEM, NO_MEM]


def test_copy_bl_needs_a_bootloader(tmp_path: Path) -> None:
    """FORBIDDEN without one."""
    rig = Rig(
        {APP: asker(tmp_path, (0, OTHER, 16), base=APP)}, boot_words=(BLANK, PARAMS)
    )
    assert rig.run() == [FORBIDDEN]


def test_copy_sd_replaces_whole_pages(tmp_path: Path) -> None:
    """Every page touched is erased first; the copy is compared."""
    data = bytes(range(256)) * 20  # one page and a bit
    rig = Rig({BOOTLOADER: asker(tmp_path, (1, OTHER, 0x40000, len(data) // 4))})
    rig.nv.preload(OTHER, data)
    rig.nv.preload(0x40000, b"\0" * 0x2000)
    assert rig.run() == [SUCCESS]
    assert data == rig.nv.read(0x40000, len(data))
    assert b"\xff" * (0x2000 - len(data)) == rig.nv.read(
        0x40000 + len(data), 0x2000 - len(data)
    )


def test_copy_sd_moves_down_over_its_own_source(tmp_path: Path) -> None:
    """A source one page behind its target is read before it is erased."""
    data = bytes(index * 13 >> 3 & 0xFF for index in range(0x2800))
    rig = Rig({BOOTLOADER: asker(tmp_path, (1, 0x41000, 0x40000, len(data) // 4))})
    rig.nv.preload(0x41000, data)
    assert rig.run() == [SUCCESS]
    assert data == rig.nv.read(0x40000, len(data))


def test_copy_sd_takes_ram_too(tmp_path: Path) -> None:
    """The caller may have the data in RAM."""
    rig = Rig({BOOTLOADER: asker(tmp_path, (1, 0x2001_0000, OTHER, 4))})
    rig.board.ram_write(0x2001_0000, b"sixteen bytes ok")
    assert rig.run() == [SUCCESS]
    assert rig.nv.read(OTHER, 16) == b"sixteen bytes ok"


def test_init_sd_runs_the_softdevice_reset_handler(tmp_path: Path) -> None:
    """In the SVC's context; the forward address stays."""
    softdevice = """
reset: mrs r1, ipsr
    ldr r2, =0x20004000
    str r1, [r2]
    bx lr
"""
    caller = """
reset: open_log
    ask init
    ldr r0, =0x20004000
    ldr r0, [r0]
    log r0
    ldr r0, =0x20000000
    ldr r0, [r0]
    log r0
    done
    .ltorg
    .align 2
init: .word 2
"""
    programs = {
        APP: assemble(tmp_path, softdevice, base=APP),
        BOOTLOADER: assemble(tmp_path, caller, base=BOOTLOADER),
    }
    assert Rig(programs).run() == [SUCCESS, 11, BOOTLOADER]


def test_vector_table_base_outlives_resets_and_power(tmp_path: Path) -> None:
    """That table is booted until 0 is set again."""
    source = """
reset: open_log
    ldr r0, =0x20002
    log r0
    ldr r0, =0x20000000
    ldr r0, [r0]
    log r0
    done
"""
    programs = {
        OTHER: assemble(tmp_path, source, base=OTHER),
        BOOTLOADER: asker(tmp_path, (4, OTHER)),
    }
    rig = Rig(programs)
    assert rig.run() == [0x20002, OTHER]  # the command reset the chip
    rig.power_cycle()
    assert rig.run() == [0x20002, OTHER]


def test_vector_table_base_zero_is_the_default_again(tmp_path: Path) -> None:
    """The stored table forgets itself."""
    back = asker(tmp_path, (4, 0), base=OTHER)
    default = """
reset: open_log
    ldr r0, =0x600D
    log r0
    done
"""
    programs = {OTHER: back, BOOTLOADER: assemble(tmp_path, default, base=BOOTLOADER)}
    rig = Rig(programs)
    setter = Rig({OTHER: back, BOOTLOADER: asker(tmp_path, (4, OTHER))})
    setter.board.run(stop=lambda: setter.board.resets == 2)
    rig.nv.preload(PARAMS, setter.nv.read(PARAMS, 0x1000))
    assert rig.run() == [0x600D]


@pytest.mark.parametrize("handler", [0, 20], ids=["thread_psp", "interrupt"])
def test_callers_on_psp_and_in_handlers(tmp_path: Path, handler: int) -> None:
    """The stacked frame is found on either stack; other registers are kept."""
    in_thread = """
reset: open_log
    ldr r0, =0x20006000
    msr psp, r0
    movs r0, #2
    msr control, r0
    isb
    bl call
    done
"""
    in_handler = """
reset: open_log
    ldr r0, =0xE000E414
    movs r1, #0x40
    strb r1, [r0]
    poke 0xE000E100, 0x100000
    poke 0xE000E200, 0x100000
    dsb
    isb
    done
interrupt: push {r4, lr}
    bl call
    pop {r4, pc}
"""
    call = """
call: push {r4-r9, lr}
    movs r1, #1
    movs r2, #2
    movs r3, #3
    movs r4, #4
    mov r12, r4
    ldr r0, =request
    svc #0x18
    log r0
    log r1
    log r2
    log r3
    log r4
    log r12
    pop {r4-r9, pc}
    .ltorg
    .align 2
request: .word 3, 0x100, 0x100, 8
"""
    source = (in_handler if handler else in_thread) + call
    handlers = {16 + handler: "interrupt"} if handler else {}
    image = assemble(tmp_path, source, base=BOOTLOADER, handlers=handlers)
    assert Rig({BOOTLOADER: image}).run() == [SUCCESS, 1, 2, 3, 4, 4]


def test_running_watchdog_is_fed_while_copying(tmp_path: Path) -> None:
    """Thirty pages take four seconds; the watchdog allows one."""
    source = """
reset: open_log
    poke 0x40010504, 32767 // CRV: 1 s
    poke 0x40010508, 0x81  // RREN: channels 0 and 7
    poke 0x40010000, 1
    ask copy
    done
    .ltorg
    .align 2
copy: .word 1, 0x30000, 0x50000, 0x7800
"""
    rig = Rig({BOOTLOADER: assemble(tmp_path, source, base=BOOTLOADER)})
    rig.nv.preload(0x30000, b"\x5a" * 0x1E000)
    assert rig.run(ms=6000) == [SUCCESS]
    assert rig.board.resets == 1
