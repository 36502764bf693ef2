# SPDX-License-Identifier: Apache-2.0
"""Faults, escalation and lockup on machine code (ARMv7-M ARM, B1.5.14)."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_bench import Program
from vboard.errors import GuestError
from vboard.fabric import ResetKind

HARD_FAULT, BUS_FAULT, USAGE_FAULT = 3, 5, 6

# Logs IPSR, CFSR, HFSR and the stacked PC, then skips `size` bytes of it.
HANDLER = """
fault:
    mrs r4, ipsr
    log r4
    ldr r5, =0xE000ED28
    ldr r4, [r5]
    log r4
    ldr r5, =0xE000ED2C
    ldr r4, [r5]
    log r4
    ldr r4, [sp, #24]
    log r4
    adds r4, #SKIP
    str r4, [sp, #24]
    bx lr
"""


def faulting(folder: Path, code: str, *, enable: bool, skip: int = 2) -> Program:
    """A program that runs `code` at the label `culprit`."""
    setup = "poke 0xE000ED24, 0x00070000" if enable else ""
    return Program(
        folder,
        f"""
.equ SKIP, {skip}
reset:
    {setup}
    ldr r4, =culprit
    log r4
    ldr r0, =0x30000000
    ldr r1, =0x20000041
culprit:
    {code}
    done
{HANDLER}
""",
        handlers={HARD_FAULT: "fault", BUS_FAULT: "fault", USAGE_FAULT: "fault"},
    )


@pytest.mark.parametrize(
    ("code", "skip", "exception", "cfsr"),
    [
        pytest.param("udf #0", 2, USAGE_FAULT, 1 << 16, id="undefined"),
        pytest.param("ldr r2, [r0]", 2, BUS_FAULT, 0x8200, id="load_unmapped"),
        pytest.param("str r2, [r0]", 2, BUS_FAULT, 0x8200, id="store_unmapped"),
        pytest.param("ldrex r2, [r1]", 4, USAGE_FAULT, 1 << 24, id="unaligned_ldrex"),
    ],
)
@pytest.mark.parametrize("enabled", [True, False], ids=["enabled", "escalated"])
def test_faults_name_their_cause_and_instruction(
    tmp_path: Path, *, code: str, skip: int, exception: int, cfsr: int, enabled: bool
) -> None:
    """The configured handler or, escalated, HardFault; the frame has the culprit."""
    program = faulting(tmp_path, code, enable=enabled, skip=skip)
    culprit, *log = program.run()
    forced = 0 if enabled else 1 << 30
    number = exception if enabled else HARD_FAULT
    assert log == [number, cfsr, forced, culprit & ~1]


def test_a_branch_to_an_even_address_is_invstate(tmp_path: Path) -> None:
    """BX without the Thumb bit."""
    program = Program(
        tmp_path,
        """
reset:
    poke 0xE000ED24, 0x00070000
    ldr r0, =target
    bic r0, #1
    bx r0
target:
    nop
    done
usage:
    ldr r5, =0xE000ED28
    ldr r4, [r5]
    log r4
    str r4, [r5]
    ldr r4, [r5]
    log r4
    ldr r4, [sp, #28]
    orr r4, #0x1000000
    str r4, [sp, #28]
    bx lr
""",
        handlers={USAGE_FAULT: "usage"},
    )
    assert program.run() == [1 << 17, 0]


def test_exc_return_in_thread_mode_is_a_branch_to_nowhere(tmp_path: Path) -> None:
    """IACCVIOL, escalated."""
    program = Program(
        tmp_path,
        """
reset:
    ldr r0, =0xFFFFFFF9
    bx r0
hard:
    ldr r5, =0xE000ED28
    ldr r4, [r5]
    log r4
    done
""",
        handlers={HARD_FAULT: "hard"},
    )
    assert program.run() == [1]


def test_code_that_was_stored_by_dma_is_executed(tmp_path: Path) -> None:
    """What the host or a DMA master puts into RAM replaces code that ran there."""
    program = Program(
        tmp_path,
        """
reset:
    ldr r8, =0x20003001
    ldr r9, =0x20004000
    movs r4, #0
    str r4, [r9]
    blx r8
    log r4
again:
    ldr r0, [r9]
    cmp r0, #0
    beq again
    blx r8
    log r4
    done
""",
    )
    board = program.board
    board.ram_write(0x2000_3000, bytes.fromhex("01247047"))  # movs r4, #1; bx lr
    board.run(1_000_000)
    board.ram_write(0x2000_3000, bytes.fromhex("02247047"))  # movs r4, #2; bx lr
    board.ram_write(0x2000_4000, b"\x01")
    assert program.run() == [1, 2]


def test_bfar_has_the_address(tmp_path: Path) -> None:
    """BFARVALID and BFAR after a load from where there is nothing."""
    program = Program(
        tmp_path,
        """
reset:
    ldr r0, =0x30000010
    ldr r1, [r0]
    done
hard:
    ldr r5, =0xE000ED38
    ldr r4, [r5]
    log r4
    ldr r4, [sp, #24]
    adds r4, #2
    str r4, [sp, #24]
    bx lr
""",
        handlers={HARD_FAULT: "hard"},
    )
    assert program.run() == [0x3000_0010]


def test_bkpt_without_a_debugger_is_a_hard_fault(tmp_path: Path) -> None:
    """HFSR.DEBUGEVT; not forced."""
    program = faulting(tmp_path, "bkpt #0", enable=True)
    culprit, *log = program.run()
    assert log == [HARD_FAULT, 0, 1 << 31, culprit & ~1]


def test_a_fault_in_the_hard_fault_handler_locks_up_and_resets(tmp_path: Path) -> None:
    """RESETREAS says LOCKUP, RAM survives."""
    program = Program(
        tmp_path,
        """
.equ COUNT, 0x20000800
reset:
    ldr r0, =0x40000400
    ldr r1, [r0]
    cmp r1, #8
    beq second
    udf #0
second:
    log r1
    done
hard:
    udf #1
""",
        handlers={HARD_FAULT: "hard"},
    )
    kinds: list[ResetKind] = []
    program.board.on_reset.append(kinds.append)
    assert program.run() == [8]
    assert kinds == [ResetKind.LOCKUP]


def test_a_flash_store_without_wen_is_a_bus_fault_for_the_guest(tmp_path: Path) -> None:
    """faults="guest": precise, BFAR is the flash address."""
    program = Program(
        tmp_path,
        """
reset:
    poke 0xE000ED24, 0x00070000
    ldr r0, =0x80000
    movs r1, #0
    str r1, [r0]
    done
bus:
    ldr r5, =0xE000ED28
    ldr r4, [r5]
    log r4
    ldr r5, =0xE000ED38
    ldr r4, [r5]
    log r4
    ldr r4, [sp, #24]
    adds r4, #2
    str r4, [sp, #24]
    bx lr
""",
        handlers={BUS_FAULT: "bus"},
    )
    assert program.run() == [0x8200, 0x8_0000]
    assert program.faults == [
        f"BusFault: PRECISERR on 0x00080000 at pc 0x{program_counter(program):08x}"
    ]


def program_counter(program: Program) -> int:
    """The PC that the (only) fault message ends with."""
    return int(program.faults[0].rsplit("0x", 1)[1], 16)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        pytest.param(
            "ldr r0, =0x30000000\n ldr r1, [r0]",
            "bus: load at 0x30000000, where there is no memory at pc 0x",
            id="load",
        ),
        pytest.param(
            "ldr r0, =0x30000000\n str r1, [r0]",
            "bus: store at 0x30000000, where there is no memory at pc 0x",
            id="store",
        ),
        pytest.param(
            "ldr r0, =0x30000001\n bx r0",
            "bus: instruction fetch at 0x30000000, where there is no memory",
            id="fetch",
        ),
        pytest.param(
            "ldr r0, =0x40001000\n ldr r1, [r0]",
            "RADIO.+0x000: this block is not modelled (a load) at pc 0x",
            id="not_modelled",
        ),
        pytest.param(
            "ldr r0, =0x4003F000\n ldr r1, [r0]",
            "bus: no register block at 0x4003f000 at pc 0x",
            id="no_block",
        ),
        pytest.param(
            "ldr r0, =0x40008504\n ldrb r1, [r0]",
            "TIMER0.MODE: expected a 32-bit aligned access, got 8 bits at 0x40008504",
            id="byte_access",
        ),
        pytest.param(
            "ldr r0, =0xE000E300\n ldr r1, [r0, #0x60]",
            "private peripheral bus: no register at 0xe000e360 at pc 0x",
            id="private_bus",
        ),
        pytest.param(
            "poke 0xE000ED0C, 0x05FA0001",
            "SCB.AIRCR: VECTRESET and VECTCLRACTIVE are for debuggers",
            id="vectreset",
        ),
    ],
)
def test_strict_runs_end_with_the_cause(
    tmp_path: Path, code: str, message: str
) -> None:
    """PC, block and register are in the message."""
    program = Program(tmp_path, f"reset: nop\n {code}\n done\n", faults="strict")
    with pytest.raises(GuestError) as caught:
        program.run()
    assert message in str(caught.value)


@pytest.mark.parametrize("instruction", ["udiv", "sdiv"])
def test_division_by_zero_traps_when_asked_to(tmp_path: Path, instruction: str) -> None:
    """Without DIV_0_TRP the result is 0; with it UsageFault, DIVBYZERO, at the PC."""
    program = Program(
        tmp_path,
        f"""
.equ SKIP, 4
reset:
    movs r2, #100
    movs r3, #0
    {instruction} r4, r2, r3
    log r4
    poke 0xE000ED14, 0x210
    movs r2, #100
    movs r3, #7
    {instruction} r4, r2, r3
    log r4
    movs r3, #0
    ldr r4, =culprit
    log r4
culprit:
    {instruction} r4, r2, r3
    done
{HANDLER}
""",
        handlers={HARD_FAULT: "fault"},
    )
    first, second, culprit, *log = program.run()
    assert (first, second) == (0, 14)
    assert log == [HARD_FAULT, 1 << 25, 1 << 30, culprit & ~1]


def test_a_conditional_division_is_not_trapped(tmp_path: Path) -> None:
    """In an IT block the model cannot tell whether it executes."""
    program = Program(
        tmp_path,
        """
reset:
    poke 0xE000ED14, 0x210
    movs r2, #100
    movs r3, #0
    movs r4, #9
    cmp r3, #0
    it ne
    udivne r4, r2, r3
    log r4
    done
""",
    )
    assert program.run() == [9]


def test_too_many_divisions_are_not_trapped_but_noted(tmp_path: Path) -> None:
    """The note says how many there are."""
    divisions = "\n".join(["    udiv r5, r2, r3"] * 25)
    program = Program(
        tmp_path,
        f"""
reset:
    poke 0xE000ED14, 0x210
    movs r2, #100
    movs r3, #0
    udiv r4, r2, r3
    log r4
    done
    {divisions}
""",
    )
    assert program.run() == [0]
    assert program.faults == [
        "note: DIV_0_TRP is not modelled for 26 divisions (up to 24); x / 0 gives 0"
    ]


STACK_IN_NOWHERE = """
reset:
    poke 0xE000ED24, {enabled}
    ldr r0, =0x30000000
    msr psp, r0
    movs r0, #2
    msr control, r0
    isb
    svc #0
hang:
    b hang
fault:
    mrs r4, ipsr
    log r4
    ldr r5, =0xE000ED28
    ldr r4, [r5]
    log r4
    done
"""


@pytest.mark.parametrize(
    ("enabled", "exception"),
    [
        pytest.param(0x7_0000, BUS_FAULT, id="enabled"),
        pytest.param(0, HARD_FAULT, id="escalated"),
    ],
)
def test_a_frame_that_does_not_fit_is_a_stacking_error(
    tmp_path: Path, *, enabled: int, exception: int
) -> None:
    """STKERR; the fault is more urgent than the SVC and runs on the main stack."""
    program = Program(
        tmp_path,
        STACK_IN_NOWHERE.replace("{enabled}", str(enabled)),
        handlers={HARD_FAULT: "fault", BUS_FAULT: "fault", 11: "hang"},
    )
    assert program.run() == [exception, 1 << 12]
    assert "STKERR" in program.faults[0]


def test_a_main_stack_in_nowhere_ends_in_lockup(tmp_path: Path) -> None:
    """The fault handler cannot use the stack either."""
    program = Program(
        tmp_path,
        """
reset:
    ldr r0, =0x40000400
    ldr r4, [r0]
    cmp r4, #8
    beq second
    ldr r0, =0x30000000
    mov sp, r0
    udf #0
second:
    log r4
    done
hard:
    push {r0-r3}
    b hard
""",
        handlers={HARD_FAULT: "hard"},
    )
    assert program.run() == [8]


def test_a_frame_outside_of_ram_ends_a_strict_run(tmp_path: Path) -> None:
    """The message has the address and a guess."""
    program = Program(
        tmp_path,
        STACK_IN_NOWHERE.replace("{enabled}", "0"),
        handlers={HARD_FAULT: "fault", BUS_FAULT: "fault", 11: "hang"},
        faults="strict",
    )
    with pytest.raises(GuestError, match=r"pushed to 0x2fffffe0, outside of Data RAM"):
        program.run()
