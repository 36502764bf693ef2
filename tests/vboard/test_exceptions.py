# SPDX-License-Identifier: Apache-2.0
"""Exception entry and return on machine code (ARMv7-M ARM, B1.5)."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_bench import Program
from vboard.errors import GuestError

IRQ = 16
SYSTICK, PENDSV, SVCALL = 15, 14, 11
HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT = 3, 4, 5, 6


def test_svc_stacks_the_next_instruction_and_r0_to_r3(tmp_path: Path) -> None:
    """An SVC frame holds R0-R3, R12, LR, the next PC, xPSR; LR is 0xFFFFFFF9."""
    program = Program(
        tmp_path,
        """
reset:
    ldr r0, =0x11111111
    ldr r1, =0x22222222
    ldr r2, =0x33333333
    ldr r3, =0x44444444
    ldr r12, =0x55555555
    ldr lr, =0x66666667
    mov r8, sp
    svc #0x18
after:
    log r0
    ldr r5, =after
    log r5
    done
svcall:
    mov r9, lr
    mov r10, sp
    mrs r11, ipsr
    log r9
    log r11
    sub r4, r8, r10
    log r4
    ldr r4, [r10, #0]
    log r4
    ldr r4, [r10, #12]
    log r4
    ldr r4, [r10, #16]
    log r4
    ldr r4, [r10, #20]
    log r4
    ldr r4, [r10, #24]
    log r4
    ldrh r5, [r4, #-2]
    log r5
    ldr r4, [r10, #28]
    bic r4, #0xF8000000
    log r4
    movs r4, #77
    str r4, [r10, #0]
    bx r9
""",
        handlers={SVCALL: "svcall"},
    )
    log = program.run()
    after = log[-1] & ~1
    assert log == [
        0xFFFF_FFF9, 11, 32, 0x1111_1111, 0x4444_4444, 0x5555_5555, 0x6666_6667,
        after, 0xDF18, 0x0100_0000, 77, log[-1],
    ]  # fmt: skip


def test_an_unaligned_stack_is_padded_and_restored(tmp_path: Path) -> None:
    """CCR.STKALIGN: SP is 8-aligned in the handler, xPSR bit 9 tells, SP comes back."""
    program = Program(
        tmp_path,
        """
reset:
    push {r0}
    mov r8, sp
    svc #0
    mov r9, sp
    sub r4, r8, r9
    log r4
    done
svcall:
    mov r10, sp
    and r4, r10, #7
    log r4
    sub r4, r8, r10
    log r4
    ldr r4, [r10, #28]
    and r4, #0x200
    log r4
    bx lr
""",
        handlers={SVCALL: "svcall"},
    )
    assert program.run() == [0, 36, 0x200, 0]


def test_a_more_urgent_interrupt_preempts(tmp_path: Path) -> None:
    """IRQ 1 (0x20) preempts IRQ 0 (0x40); IRQ 2 (0x60) waits; LR tells the nesting."""
    program = Program(
        tmp_path,
        """
.equ ISPR, 0xE000E200
reset:
    poke 0xE000E400, 0x00602040
    poke 0xE000E100, 7
    poke ISPR, 1
    logi 99
    done
irq0:
    mov r8, lr
    logi 1
    poke ISPR, 4
    logi 2
    poke ISPR, 2
    logi 3
    bx r8
irq1:
    mov r9, lr
    log r9
    bx r9
irq2:
    mov r9, lr
    log r9
    bx r9
""".replace("0x00602040", "0x00602040"),
        handlers={IRQ: "irq0", IRQ + 1: "irq1", IRQ + 2: "irq2"},
    )
    # IPR0 byte 0 is IRQ 0 (0x40), byte 1 IRQ 1 (0x20), byte 2 IRQ 2 (0x60).
    assert program.run() == [1, 2, 0xFFFF_FFF1, 3, 0xFFFF_FFF9, 99]


def test_prigroup_keeps_subpriorities_from_preempting(tmp_path: Path) -> None:
    """With PRIGROUP 6 only bit 7 preempts; the sub-priority orders those waiting."""
    program = Program(
        tmp_path,
        """
.equ ISPR, 0xE000E200
reset:
    poke 0xE000ED0C, 0x05FA0600
    poke 0xE000E400, 0x00204060
    poke 0xE000E100, 7
    poke ISPR, 1
    done
irq0:
    mov r8, lr
    logi 1
    poke ISPR, 6
    logi 2
    bx r8
irq1:
    logi 11
    bx lr
irq2:
    logi 12
    bx lr
""",
        handlers={IRQ: "irq0", IRQ + 1: "irq1", IRQ + 2: "irq2"},
    )
    assert program.run() == [1, 2, 12, 11]


def test_pending_interrupts_tail_chain_without_unstacking(tmp_path: Path) -> None:
    """The second handler runs on the first one's frame."""
    program = Program(
        tmp_path,
        """
.equ ISPR, 0xE000E200
reset:
    poke 0xE000E100, 3
    ldr r0, =0xAAAA
    poke ISPR, 3
    log r0
    done
irq0:
    mov r4, sp
    log r4
    movs r0, #5
    bx lr
irq1:
    mov r4, sp
    log r4
    log r0
    bx lr
""",
        handlers={IRQ: "irq0", IRQ + 1: "irq1"},
    )
    log = program.run()
    assert log[0] == log[1]
    assert log[2:] == [5, 0xAAAA]


@pytest.mark.parametrize(
    ("mask", "unmask"),
    [
        pytest.param("cpsid i", "cpsie i", id="primask_cps"),
        pytest.param(
            "movs r0, #1\n msr primask, r0", "movs r0, #0\n msr primask, r0",
            id="primask_msr",
        ),
        pytest.param("cpsid f", "cpsie f", id="faultmask_cps"),
        pytest.param(
            "movs r0, #0x20\n msr basepri, r0", "movs r0, #0\n msr basepri, r0",
            id="basepri",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["flash", "ram"])
def test_a_masked_interrupt_comes_right_behind_the_unmasking(
    tmp_path: Path, mask: str, unmask: str, place: str
) -> None:
    """Not one instruction after the unmasking one runs before the handler."""
    code = f"""
    {mask}
    poke 0xE000E200, 1
    nop
    nop
    {unmask}
    adds r4, #1
    adds r4, #1
    log r4
    done
    .ltorg
"""
    if place == "ram":
        start = """
    ldr r0, =0x20001001
    ldr r1, =code_start
    bic r1, #1
    ldr r2, =0x20001000
    movs r3, #64
copy:
    ldr r5, [r1], #4
    str r5, [r2], #4
    subs r3, #1
    bne copy
    bx r0
    .ltorg
    .align 2
code_start:
"""
    else:
        start = ""
    program = Program(
        tmp_path,
        f"""
reset:
    poke 0xE000E400, 0x40
    poke 0xE000E100, 1
    movs r4, #0
{start}{code}
irq0:
    log r4
    bx lr
""",
        handlers={IRQ: "irq0"},
    )
    assert program.run() == [0, 2]


def test_basepri_lets_more_urgent_interrupts_through(tmp_path: Path) -> None:
    """BASEPRI 0x40 holds back 0x40 and 0x60, not 0x20."""
    program = Program(
        tmp_path,
        """
.equ ISPR, 0xE000E200
reset:
    poke 0xE000E400, 0x00604020
    poke 0xE000E100, 7
    movs r0, #0x40
    msr basepri, r0
    poke ISPR, 7
    logi 50
    movs r0, #0
    msr basepri, r0
    logi 51
    mrs r0, basepri
    log r0
    done
irq0:
    logi 1
    bx lr
irq1:
    logi 2
    bx lr
irq2:
    logi 3
    bx lr
""",
        handlers={IRQ: "irq0", IRQ + 1: "irq1", IRQ + 2: "irq2"},
    )
    assert program.run() == [1, 50, 2, 3, 51, 0]


def test_the_low_bits_of_basepri_do_not_mask(tmp_path: Path) -> None:
    """Three priority bits: 0x1F is 0 (no masking), 0x5F is 0x40."""
    program = Program(
        tmp_path,
        """
.equ ISPR, 0xE000E200
reset:
    poke 0xE000E400, 0x00004020
    poke 0xE000E100, 3
    movs r0, #0x1F
    msr basepri, r0
    poke ISPR, 2
    logi 50
    movs r0, #0x5F
    msr basepri, r0
    poke ISPR, 3
    logi 51
    done
irq0:
    logi 1
    bx lr
irq1:
    logi 2
    bx lr
""",
        handlers={IRQ: "irq0", IRQ + 1: "irq1"},
    )
    assert program.run() == [2, 50, 1, 51]


def test_svc_from_a_handler_of_lower_urgency_nests(tmp_path: Path) -> None:
    """SVCall at priority 0 is taken from an interrupt at 0x40."""
    program = Program(
        tmp_path,
        """
reset:
    poke 0xE000E400, 0x40
    poke 0xE000E100, 1
    poke 0xE000E200, 1
    done
irq0:
    push {lr}
    logi 1
    svc #3
    logi 3
    pop {pc}
svcall:
    mrs r4, ipsr
    log r4
    mov r4, lr
    log r4
    bx lr
""",
        handlers={IRQ: "irq0", SVCALL: "svcall"},
    )
    assert program.run() == [1, 11, 0xFFFF_FFF1, 3]


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("cpsid i", id="primask"),
        pytest.param("movs r0, #0x20\n msr basepri, r0", id="basepri"),
    ],
)
def test_svc_that_is_masked_escalates_to_hard_fault(
    tmp_path: Path, before: str
) -> None:
    """HFSR.FORCED is set and the handler is HardFault's."""
    program = Program(
        tmp_path,
        f"""
reset:
    poke 0xE000ED1C, 0x40000000
    {before}
    svc #0
    nop
    done
hard:
    mrs r4, ipsr
    log r4
    ldr r4, =0xE000ED2C
    ldr r4, [r4]
    log r4
    bx lr
""",
        handlers={HARD_FAULT: "hard"},
    )
    assert program.run() == [3, 0x4000_0000]


def test_pendsv_switches_between_two_threads(tmp_path: Path) -> None:
    """A cooperative kernel on PSP: two threads take turns, each with its registers."""
    program = Program(
        tmp_path,
        """
.equ CURRENT, 0x20000800
reset:
    @ thread 1 gets a first frame on its stack
    ldr r0, =0x20003000
    ldr r1, =0x01000000
    str r1, [r0, #-4]!
    ldr r1, =thread1
    str r1, [r0, #-4]!
    sub r0, #24
    sub r0, #32
    ldr r1, =CURRENT
    movs r2, #0
    str r2, [r1]
    str r0, [r1, #8]
    ldr r0, =0x20002000
    msr psp, r0
    movs r0, #2
    msr control, r0
    isb
    poke 0xE000ED20, 0x00E00000
thread0:
    movs r4, #10
loop0:
    log r4
    poke 0xE000ED04, 0x10000000
    dsb
    adds r4, #1
    cmp r4, #13
    bne loop0
    mrs r4, control
    log r4
    done
thread1:
    movs r4, #20
loop1:
    log r4
    poke 0xE000ED04, 0x10000000
    dsb
    adds r4, #1
    b loop1
pendsv:
    mrs r0, psp
    stmdb r0!, {r4-r11}
    ldr r1, =CURRENT
    ldr r2, [r1]
    adds r3, r1, #4
    str r0, [r3, r2, lsl #2]
    eor r2, #1
    str r2, [r1]
    ldr r0, [r3, r2, lsl #2]
    ldmia r0!, {r4-r11}
    msr psp, r0
    bx lr
""",
        handlers={PENDSV: "pendsv"},
    )
    assert program.run() == [10, 20, 11, 21, 12, 22, 2]


def test_a_thread_on_psp_returns_with_fffffffd(tmp_path: Path) -> None:
    """The frame goes to PSP and MSP does not move."""
    program = Program(
        tmp_path,
        """
reset:
    ldr r0, =0x20002000
    msr psp, r0
    movs r0, #2
    msr control, r0
    isb
    svc #0
    mrs r4, psp
    log r4
    done
svcall:
    mov r4, lr
    log r4
    mrs r4, psp
    log r4
    mov r4, sp
    log r4
    mrs r4, control
    log r4
    bx lr
""",
        handlers={SVCALL: "svcall"},
    )
    assert program.run() == [
        0xFFFF_FFFD, 0x2000_1FE0, 0x2004_0000, 0, 0x2000_2000,
    ]  # fmt: skip


def test_reset_values_of_the_special_registers(tmp_path: Path) -> None:
    """MSP from the table, LR all ones, thread mode, nothing masked."""
    program = Program(
        tmp_path,
        """
reset:
    log lr
    mrs r4, msp
    log r4
    mrs r4, ipsr
    log r4
    mrs r4, control
    log r4
    mrs r4, primask
    log r4
    mrs r4, basepri
    log r4
    mrs r4, faultmask
    log r4
    done
""",
    )
    assert program.run() == [0xFFFF_FFFF, 0x2004_0000, 0, 0, 0, 0, 0]


def test_vtor_moves_the_vectors(tmp_path: Path) -> None:
    """Handlers come from the table that VTOR points to, also one in RAM."""
    program = Program(
        tmp_path,
        """
reset:
    ldr r0, =0x20008000
    ldr r1, =other
    str r1, [r0, #44]
    svc #0
    poke 0xE000ED08, 0x20008000
    dsb
    svc #0
    ldr r4, =0xE000ED08
    ldr r4, [r4]
    log r4
    done
svcall:
    logi 1
    bx lr
other:
    logi 2
    bx lr
""",
        handlers={SVCALL: "svcall", SYSTICK: "other"},
    )
    assert program.run() == [1, 2, 0x2000_8000]


def test_a_bad_exc_return_is_a_usage_fault(tmp_path: Path) -> None:
    """INVPC, taken in place of the return."""
    program = Program(
        tmp_path,
        """
reset:
    poke 0xE000ED24, 0x00070000
    poke 0xE000ED18, 0x00000000
    svc #0
    done
svcall:
    ldr r0, =0xFFFFFFF5
    bx r0
usage:
    mrs r4, ipsr
    log r4
    ldr r4, =0xE000ED28
    ldr r4, [r4]
    log r4
    mov r4, lr
    log r4
    ldr lr, =0xFFFFFFF9
    bx lr
""",
        handlers={SVCALL: "svcall", USAGE_FAULT: "usage"},
    )
    assert program.run() == [6, 1 << 18, 0xFFFF_FFF5]


def test_a_frame_outside_of_ram_is_named(tmp_path: Path) -> None:
    """A stack that ran out of RAM ends the run with the address."""
    program = Program(
        tmp_path,
        """
reset:
    ldr r0, =0x20000010
    mov sp, r0
    svc #0
    done
""",
        faults="strict",
    )
    with pytest.raises(GuestError, match="frame pushed to 0x1ffffff0, outside"):
        program.run()
