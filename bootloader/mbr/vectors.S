// Vector table of the boot record and the code behind it.
//
// VTOR stays 0, so every exception of every image comes through this table. All
// but `svc #0x18` go on to the table whose address is in mbr_forward_address,
// with every register, EXC_RETURN, IPSR and the stacked frame as they came.
//
// SPDX-License-Identifier: Apache-2.0
    .syntax unified
    .cpu cortex-m4
    .thumb

    .equ MBR_SVC, 0x18

    .section .vectors, "a"
    .global mbr_vectors
    .type mbr_vectors, %object
mbr_vectors:
    .word __ota_stack_top
    .word mbr_main
    .rept 9             // NMI, HardFault, MemManage, BusFault, UsageFault, ...
    .word mbr_forward
    .endr
    .word mbr_svc_entry // exception 11
    .rept 4             // DebugMonitor, reserved, PendSV, SysTick
    .word mbr_forward
    .endr
    .rept 48            // interrupts 0 to 47
    .word mbr_forward
    .endr
    .size mbr_vectors, . - mbr_vectors

    .section .text.mbr_forward, "ax"
    .type mbr_forward, %function
    .thumb_func
mbr_forward:
    push    {r0-r2}             // the slot of r2 becomes the handler's address
    mrs     r0, ipsr
    ldr     r1, =mbr_forward_address
    ldr     r1, [r1]
    ldr     r0, [r1, r0, lsl #2]
    str     r0, [sp, #8]
    pop     {r0, r1, pc}
    .size mbr_forward, . - mbr_forward
    .ltorg

    .section .text.mbr_svc_entry, "ax"
    .type mbr_svc_entry, %function
    .thumb_func
mbr_svc_entry:
    tst     lr, #4              // EXC_RETURN bit 2: the frame is on PSP
    ite     eq
    mrseq   r0, msp
    mrsne   r0, psp
    ldr     r1, [r0, #24]       // stacked PC, after the SVC instruction
    ldrb    r1, [r1, #-2]       // its immediate
    cmp     r1, #MBR_SVC
    bne     1f
    push    {r4, lr}
    bl      mbr_svc
    pop     {r4, pc}
1:  ldm     r0, {r0-r3}         // as they were at the SVC
    b       mbr_forward
    .size mbr_svc_entry, . - mbr_svc_entry

    // void mbr_start(uint32_t table): hands the CPU to an image
    .section .text.mbr_start, "ax"
    .global mbr_start
    .type mbr_start, %function
    .thumb_func
mbr_start:
    ldr     r1, [r0]
    ldr     r2, [r0, #4]
    msr     msp, r1
    mov     lr, #-1
    bx      r2
    .size mbr_start, . - mbr_start
