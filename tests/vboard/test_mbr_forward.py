# SPDX-License-Identifier: Apache-2.0
"""Exceptions reach the image's own table with everything as it came."""

from __future__ import annotations

from pathlib import Path

from mbr_rig import APP, BOOTLOADER, STACK, Rig, assemble

# Known values in every register, then the exception; `frame` looks at it first
# thing in the handler, before anything is touched.
SET_REGISTERS = "\n".join(
    f"    ldr r{number}, ={0x1111_1111 * (number + 1) & 0xFFFF_FFFF:#x}"
    for number in range(13)
)
REGISTERS = [0x1111_1111 * (number + 1) & 0xFFFF_FFFF for number in range(13)]
STORE_ALL = """
    push {r0-r12, lr} // 14 words, logged from memory
    mrs r0, ipsr
    push {r0}
    mov r4, sp
    movs r5, #15
2:  ldr r8, [r4], #4
    log r8
    subs r5, #1
    bne 2b
    add r8, sp, #60   // SP as the handler found it
    log r8
"""


def test_interrupt_handler_gets_every_register_as_it_was(tmp_path: Path) -> None:
    """r0-r12, LR (EXC_RETURN), IPSR and SP: nothing of the boot record shows."""
    source = f"""
reset: open_log
    poke 0xE000E100, 0x100000
    ldr r0, =0xE000E200
    ldr r1, =0x100000
    ldr r2, =trigger
    bx r2
    .ltorg
    .type trigger, %function
trigger: push {{r0, r1}} // kept for the store below
{SET_REGISTERS}
    cpsid i
    push {{r0, r1}}
    ldr r0, =0xE000E200
    ldr r1, =0x100000
    str r1, [r0]
    pop {{r0, r1}}
    cpsie i
    isb
    done
    .ltorg
handler: {STORE_ALL}
    add sp, #60
    done
"""
    image = assemble(tmp_path, source, base=BOOTLOADER, handlers={36: "handler"})
    ipsr, *registers, exc_return, stack = Rig({BOOTLOADER: image}).run()
    assert ipsr == 36
    assert registers == REGISTERS
    assert exc_return == 0xFFFF_FFF9
    assert stack == STACK - 8 - 32


def test_other_svc_numbers_go_to_the_image(tmp_path: Path) -> None:
    """r0-r3 arrive as the caller had them, in registers and in the frame."""
    source = """
reset: open_log
    movs r0, #10
    movs r1, #11
    movs r2, #12
    movs r3, #13
    svc #0x19
    log r0
    done
handler: log r0
    log r1
    log r2
    log r3
    mrs r1, ipsr
    log r1
    movs r1, #99
    str r1, [sp]
    bx lr
"""
    image = assemble(tmp_path, source, base=BOOTLOADER, handlers={11: "handler"})
    assert Rig({BOOTLOADER: image}).run() == [10, 11, 12, 13, 11, 99]


def test_nested_interrupts_and_pendsv(tmp_path: Path) -> None:
    """A more urgent interrupt inside a handler, PendSV after both, then back."""
    source = """
reset: open_log
    poke 0xE000E414, 0x00000040 // interrupt 20: priority 0x40; 21: 0
    ldr r0, =0xE000ED22
    movs r1, #0xE0
    strb r1, [r0]               // PendSV last
    poke 0xE000E100, 0x300000
    poke 0xE000E200, 0x100000
    dsb
    isb
    movs r0, #4
    log r0
    done
low: push {r4, lr}
    movs r0, #1
    log r0
    poke 0xE000ED04, 0x10000000
    poke 0xE000E200, 0x200000
    dsb
    isb
    movs r0, #3
    log r0
    pop {r4, pc}
high: movs r0, #2
    log r0
    bx lr
pendsv: movs r0, #5
    log r0
    bx lr
"""
    image = assemble(
        tmp_path,
        source,
        base=BOOTLOADER,
        handlers={36: "low", 37: "high", 14: "pendsv"},
    )
    assert Rig({BOOTLOADER: image}).run() == [1, 2, 3, 5, 4]


def test_systick_and_faults_are_forwarded(tmp_path: Path) -> None:
    """An undefined instruction is the image's own HardFault."""
    source = """
reset: open_log
    poke 0xE000E014, 999
    poke 0xE000E018, 0
    poke 0xE000E010, 7
    wfi
    poke 0xE000E010, 0
    udf #0
systick: mrs r0, ipsr
    log r0
    bx lr
fault: mrs r0, ipsr
    log r0
    done
"""
    image = assemble(
        tmp_path, source, base=BOOTLOADER, handlers={15: "systick", 3: "fault"}
    )
    assert Rig({BOOTLOADER: image}).run() == [15, 3]


def test_every_interrupt_number_is_forwarded(tmp_path: Path) -> None:
    """0 to 47, each to its own entry."""
    entries = "\n".join(f"h{n}: movs r0, #{n}\n    b common" for n in range(48))
    source = f"""
reset: open_log
    poke 0xE000E100, 0xFFFFFFFF
    poke 0xE000E104, 0x0000FFFF
    movs r4, #0
1:  ldr r0, =0xE000EF00 // STIR
    str r4, [r0]
    dsb
    isb
    adds r4, #1
    cmp r4, #48
    bne 1b
    done
    .ltorg
common: log r0
    bx lr
    .ltorg
{entries}
"""
    handlers = {16 + number: f"h{number}" for number in range(48)}
    image = assemble(tmp_path, source, base=BOOTLOADER, handlers=handlers)
    assert list(range(48)) == Rig({BOOTLOADER: image}).run()


def test_forward_address_set_moves_exceptions_to_another_image(
    tmp_path: Path,
) -> None:
    """What a bootloader does before it starts the application."""
    bootloader = """
reset: open_log
    ask forward
    ldr r0, =0x1000
    ldr r1, [r0, #4]
    ldr r0, [r0]
    msr msp, r0
    bx r1
    .ltorg
    .align 2
forward: .word 6, 0x1000
"""
    app = """
reset: poke 0xE000E100, 0x100000
    poke 0xE000E200, 0x100000
    dsb
    isb
    done
handler: movs r0, #77
    log r0
    bx lr
"""
    programs = {
        BOOTLOADER: assemble(tmp_path, bootloader, base=BOOTLOADER),
        APP: assemble(tmp_path, app, base=APP, handlers={36: "handler"}),
    }
    assert Rig(programs).run() == [0, 77]
