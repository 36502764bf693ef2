# SPDX-License-Identifier: Apache-2.0
"""FPU context on exceptions: extended frames, FPCA, lazy stacking (B1.5.7)."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_bench import Program
from vboard.errors import GuestError

IRQ, SVCALL = 16, 11
ON = """
    ldr r0, =0xE000ED88
    ldr r1, =0x00F00000
    str r1, [r0]
    dsb
    isb
"""


def test_without_fpu_use_the_frame_is_basic(tmp_path: Path) -> None:
    """FPCA stays 0 until the first floating-point instruction."""
    program = Program(
        tmp_path,
        f"""
reset:
{ON}
    svc #0
    vmov.f32 s0, #1.0
    svc #0
    done
svcall:
    mov r4, lr
    log r4
    mrs r4, control
    log r4
    bx lr
""",
        handlers={SVCALL: "svcall"},
    )
    assert program.run() == [0xFFFF_FFF9, 0, 0xFFFF_FFE9, 0]


def test_the_extended_frame_keeps_the_interrupted_registers(tmp_path: Path) -> None:
    """A handler that uses S0 does not disturb the thread, FPSCR flags included."""
    program = Program(
        tmp_path,
        f"""
reset:
{ON}
    mov r8, sp
    vmov.f32 s0, #1.0
    vmov.f32 s15, #2.0
    vcmp.f32 s15, s0
    vmrs r9, fpscr
    svc #0
    vmov r4, s0
    log r4
    vmov r4, s15
    log r4
    vmrs r10, fpscr
    subs r4, r9, r10
    log r4
    mrs r4, control
    log r4
    done
svcall:
    mov r4, sp
    sub r4, r8, r4
    log r4
    vmov.f32 s0, #8.0
    vmov.f32 s15, #9.0
    vcmp.f32 s0, s15
    vmrs APSR_nzcv, fpscr
    mrs r4, control
    log r4
    bx lr
""",
        handlers={SVCALL: "svcall"},
    )
    assert program.run() == [104, 4, 0x3F80_0000, 0x4000_0000, 0, 4]


def test_lazy_stacking_shows_in_fpccr_and_fpcar(tmp_path: Path) -> None:
    """LSPACT is set until the handler uses the FPU; FPCAR is the S0 slot."""
    program = Program(
        tmp_path,
        f"""
reset:
{ON}
    vmov.f32 s0, #1.0
    svc #0
    ldr r5, =0xE000EF34
    ldr r4, [r5]
    and r4, #1
    log r4
    done
svcall:
    ldr r5, =0xE000EF34
    ldr r4, [r5]
    and r4, #1
    log r4
    ldr r5, =0xE000EF38
    ldr r4, [r5]
    mov r5, sp
    subs r4, r4, r5
    log r4
    vmov.f32 s1, #4.0
    ldr r5, =0xE000EF34
    ldr r4, [r5]
    and r4, #1
    log r4
    ldr r4, [sp, #32]
    log r4
    bx lr
""",
        handlers={SVCALL: "svcall"},
    )
    assert program.run() == [1, 0x20, 0, 0x3F80_0000, 0]


def test_a_handler_that_leaves_the_fpu_alone_changes_nothing(tmp_path: Path) -> None:
    """With LSPACT still set at the return the registers are not reloaded."""
    program = Program(
        tmp_path,
        f"""
reset:
{ON}
    vmov.f32 s0, #1.0
    svc #0
    vmov r4, s0
    log r4
    mrs r4, control
    log r4
    done
svcall:
    movs r4, #0
    str r4, [sp, #32]
    bx lr
""",
        handlers={SVCALL: "svcall"},
    )
    assert program.run() == [0x3F80_0000, 4]


def test_nested_interrupts_keep_three_fpu_contexts(tmp_path: Path) -> None:
    """Thread, IRQ 0 and IRQ 1 each compute with S0."""
    program = Program(
        tmp_path,
        f"""
reset:
{ON}
    poke 0xE000E400, 0x2040
    poke 0xE000E100, 3
    vmov.f32 s0, #1.0
    poke 0xE000E200, 1
    vmov r4, s0
    log r4
    done
irq0:
    push {{r4, lr}}
    vmov.f32 s0, #2.0
    poke 0xE000E200, 2
    vmov r4, s0
    log r4
    pop {{r4, pc}}
irq1:
    vmov.f32 s0, #3.0
    vmov r4, s0
    log r4
    bx lr
""",
        handlers={IRQ: "irq0", IRQ + 1: "irq1"},
    )
    assert program.run() == [0x4040_0000, 0x4000_0000, 0x3F80_0000]


def test_a_kernel_saves_the_upper_half_by_exc_return(tmp_path: Path) -> None:
    """The usual switch: TST LR, #0x10, then VSTM of S16 to S31, and back."""
    program = Program(
        tmp_path,
        f"""
reset:
{ON}
    ldr r0, =0x20003000
    msr psp, r0
    movs r0, #2
    msr control, r0
    isb
    vmov.f32 s0, #1.0
    vmov.f32 s16, #2.0
    svc #0
    vmov r4, s0
    log r4
    vmov r4, s16
    log r4
    mrs r4, control
    log r4
    done
svcall:
    mrs r0, psp
    tst lr, #0x10
    it eq
    vstmdbeq r0!, {{s16-s31}}
    vmov.f32 s0, #5.0
    vmov.f32 s16, #6.0
    tst lr, #0x10
    it eq
    vldmiaeq r0!, {{s16-s31}}
    msr psp, r0
    bx lr
""",
        handlers={SVCALL: "svcall"},
    )
    assert program.run() == [0x3F80_0000, 0x4000_0000, 6]


@pytest.mark.parametrize(
    "then",
    [
        pytest.param("svc #0", id="exception"),
        pytest.param("poke 0xE000ED88, 0x00F00000", id="enabling_late"),
    ],
)
def test_fpu_use_while_it_is_off_is_noticed(tmp_path: Path, then: str) -> None:
    """At the next exception, or when CPACR is written after all."""
    program = Program(tmp_path, f"reset:\n vmov.f32 s0, #1.0\n {then}\n done\n")
    with pytest.raises(GuestError, match="executed while the FPU is off"):
        program.run()
