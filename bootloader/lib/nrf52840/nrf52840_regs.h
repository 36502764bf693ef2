// Registers of the nRF52840 that the firmware uses. Names of types, members and
// instances are the vendor's (nrf52840.h of nrfx), so drivers read as the
// product specification does and move between the two headers.
//
// Every struct ends at the last register used; the asserts at the end tie the
// last member of each block to its data sheet offset.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef NRF52840_REGS_H
#define NRF52840_REGS_H

#include <stddef.h>
#include <stdint.h>

#include "cortex_m4.h"
#include "nrf52840_cc310.h"

// Unused space from register offset `from` up to offset `to`.
#define REGS_GAP_(line) RESERVED_##line
#define REGS_GAP(line) REGS_GAP_(line)
#define GAP(from, to) uint32_t REGS_GAP(__LINE__)[((to) - (from)) / 4]

typedef struct { // 0x10000000, FICR
    GAP(0x000, 0x060);
    __IM uint32_t DEVICEID[2];
    GAP(0x068, 0x404);
    struct {
        __IM uint32_t A0, A1, A2, A3, A4, A5;
        __IM uint32_t B0, B1, B2, B3, B4, B5;
        __IM uint32_t T0, T1, T2, T3, T4;
    } TEMP; // 0x404
} NRF_FICR_Type;

typedef struct { // 0x10001000, UICR
    GAP(0x000, 0x014);
    __IOM uint32_t NRFFW[13]; // 0x014
    GAP(0x048, 0x208);
    __IOM uint32_t APPROTECT; // 0x208
} NRF_UICR_Type;

typedef struct { // 0x40000000
    __OM uint32_t TASKS_HFCLKSTART, TASKS_HFCLKSTOP;
    __OM uint32_t TASKS_LFCLKSTART, TASKS_LFCLKSTOP;
    GAP(0x010, 0x100);
    __IOM uint32_t EVENTS_HFCLKSTARTED, EVENTS_LFCLKSTARTED;
    GAP(0x108, 0x304);
    __IOM uint32_t INTENSET, INTENCLR;
    GAP(0x30C, 0x408);
    __IM uint32_t HFCLKRUN, HFCLKSTAT;
    GAP(0x410, 0x414);
    __IM uint32_t LFCLKRUN, LFCLKSTAT;
    GAP(0x41C, 0x518);
    __IOM uint32_t LFCLKSRC;
} NRF_CLOCK_Type;

typedef struct { // 0x40000000
    GAP(0x000, 0x108);
    __IOM uint32_t EVENTS_POFWARN;
    GAP(0x10C, 0x400);
    __IOM uint32_t RESETREAS;
    GAP(0x404, 0x510);
    __IOM uint32_t POFCON;
} NRF_POWER_Type;

typedef struct { // 0x40000000, access port protection (revision 3 and later)
    GAP(0x000, 0x550);
    __IOM uint32_t FORCEPROTECT;
    GAP(0x554, 0x558);
    __IOM uint32_t DISABLE;
} NRF_APPROTECT_Type;

typedef struct { // UARTE0, UARTE1
    __OM uint32_t TASKS_STARTRX, TASKS_STOPRX, TASKS_STARTTX, TASKS_STOPTX;
    GAP(0x010, 0x02C);
    __OM uint32_t TASKS_FLUSHRX;
    GAP(0x030, 0x100);
    __IOM uint32_t EVENTS_CTS, EVENTS_NCTS, EVENTS_RXDRDY;
    GAP(0x10C, 0x110);
    __IOM uint32_t EVENTS_ENDRX;
    GAP(0x114, 0x11C);
    __IOM uint32_t EVENTS_TXDRDY, EVENTS_ENDTX, EVENTS_ERROR;
    GAP(0x128, 0x144);
    __IOM uint32_t EVENTS_RXTO;
    GAP(0x148, 0x14C);
    __IOM uint32_t EVENTS_RXSTARTED, EVENTS_TXSTARTED;
    GAP(0x154, 0x158);
    __IOM uint32_t EVENTS_TXSTOPPED;
    GAP(0x15C, 0x200);
    __IOM uint32_t SHORTS;
    GAP(0x204, 0x304);
    __IOM uint32_t INTENSET, INTENCLR;
    GAP(0x30C, 0x480);
    __IOM uint32_t ERRORSRC;
    GAP(0x484, 0x500);
    __IOM uint32_t ENABLE;
    GAP(0x504, 0x508);
    struct {
        __IOM uint32_t RTS, TXD, CTS, RXD;
    } PSEL;
    GAP(0x518, 0x524);
    __IOM uint32_t BAUDRATE;
    GAP(0x528, 0x534);
    struct {
        __IOM uint32_t PTR, MAXCNT;
        __IM uint32_t AMOUNT;
    } RXD;
    GAP(0x540, 0x544);
    struct {
        __IOM uint32_t PTR, MAXCNT;
        __IM uint32_t AMOUNT;
    } TXD;
    GAP(0x550, 0x56C);
    __IOM uint32_t CONFIG;
} NRF_UARTE_Type;

typedef struct { // TIMER0 .. TIMER4
    __OM uint32_t TASKS_START, TASKS_STOP, TASKS_COUNT, TASKS_CLEAR;
    __OM uint32_t TASKS_SHUTDOWN;
    GAP(0x014, 0x040);
    __OM uint32_t TASKS_CAPTURE[6];
    GAP(0x058, 0x140);
    __IOM uint32_t EVENTS_COMPARE[6];
    GAP(0x158, 0x200);
    __IOM uint32_t SHORTS;
    GAP(0x204, 0x304);
    __IOM uint32_t INTENSET, INTENCLR;
    GAP(0x30C, 0x504);
    __IOM uint32_t MODE, BITMODE;
    GAP(0x50C, 0x510);
    __IOM uint32_t PRESCALER;
    GAP(0x514, 0x540);
    __IOM uint32_t CC[6];
} NRF_TIMER_Type;

typedef struct { // RTC0 .. RTC2
    __OM uint32_t TASKS_START, TASKS_STOP, TASKS_CLEAR, TASKS_TRIGOVRFLW;
    GAP(0x010, 0x140);
    __IOM uint32_t EVENTS_COMPARE[4];
    GAP(0x150, 0x304);
    __IOM uint32_t INTENSET, INTENCLR;
    GAP(0x30C, 0x344);
    __IOM uint32_t EVTENSET, EVTENCLR;
    GAP(0x34C, 0x504);
    __IM uint32_t COUNTER;
    __IOM uint32_t PRESCALER;
    GAP(0x50C, 0x540);
    __IOM uint32_t CC[4];
} NRF_RTC_Type;

typedef struct { // 0x4000C000
    __OM uint32_t TASKS_START, TASKS_STOP;
    GAP(0x008, 0x100);
    __IOM uint32_t EVENTS_DATARDY;
    GAP(0x104, 0x304);
    __IOM uint32_t INTENSET, INTENCLR;
    GAP(0x30C, 0x508);
    __IM int32_t TEMP;
    GAP(0x50C, 0x520);
    __IOM uint32_t A0, A1, A2, A3, A4, A5;
    GAP(0x538, 0x540);
    __IOM uint32_t B0, B1, B2, B3, B4, B5;
    GAP(0x558, 0x560);
    __IOM uint32_t T0, T1, T2, T3, T4;
} NRF_TEMP_Type;

typedef struct { // 0x40010000
    __OM uint32_t TASKS_START;
    GAP(0x004, 0x400);
    __IM uint32_t RUNSTATUS, REQSTATUS;
    GAP(0x408, 0x504);
    __IOM uint32_t CRV, RREN, CONFIG;
    GAP(0x510, 0x600);
    __OM uint32_t RR[8];
} NRF_WDT_Type;

typedef struct { // 0x4001E000
    GAP(0x000, 0x400);
    __IM uint32_t READY;
    GAP(0x404, 0x504);
    __IOM uint32_t CONFIG;
    __OM uint32_t ERASEPAGE;
} NRF_NVMC_Type;

typedef struct { // 0x4001E000
    GAP(0x000, 0x800);
    struct {
        __IOM uint32_t ADDR, SIZE, PERM;
        GAP(0x00C, 0x010);
    } ACL[8];
} NRF_ACL_Type;

typedef struct { // 0x4001F000
    GAP(0x000, 0x500);
    __IOM uint32_t CHEN, CHENSET, CHENCLR;
    GAP(0x50C, 0x510);
    struct {
        __IOM uint32_t EEP, TEP;
    } CH[20];
} NRF_PPI_Type;

typedef struct { // P0, P1
    GAP(0x000, 0x504);
    __IOM uint32_t OUT, OUTSET, OUTCLR;
    __IM uint32_t IN;
    __IOM uint32_t DIR, DIRSET, DIRCLR;
    GAP(0x520, 0x700);
    __IOM uint32_t PIN_CNF[32];
} NRF_GPIO_Type;

#undef GAP

#define NRF_FICR ((NRF_FICR_Type *)0x10000000u)
#define NRF_UICR ((NRF_UICR_Type *)0x10001000u)
#define NRF_CLOCK ((NRF_CLOCK_Type *)0x40000000u)
#define NRF_POWER ((NRF_POWER_Type *)0x40000000u)
#define NRF_APPROTECT ((NRF_APPROTECT_Type *)0x40000000u)
#define NRF_UARTE0 ((NRF_UARTE_Type *)0x40002000u)
#define NRF_TIMER0 ((NRF_TIMER_Type *)0x40008000u)
#define NRF_TIMER1 ((NRF_TIMER_Type *)0x40009000u)
#define NRF_RTC0 ((NRF_RTC_Type *)0x4000B000u)
#define NRF_TEMP ((NRF_TEMP_Type *)0x4000C000u)
#define NRF_WDT ((NRF_WDT_Type *)0x40010000u)
#define NRF_NVMC ((NRF_NVMC_Type *)0x4001E000u)
#define NRF_ACL ((NRF_ACL_Type *)0x4001E000u)
#define NRF_PPI ((NRF_PPI_Type *)0x4001F000u)
#define NRF_UARTE1 ((NRF_UARTE_Type *)0x40028000u)
#define NRF_P0 ((NRF_GPIO_Type *)0x50000000u)
#define NRF_P1 ((NRF_GPIO_Type *)0x50000300u)

typedef enum {
    POWER_CLOCK_IRQn = 0,
    UARTE0_UART0_IRQn = 2,
    TIMER0_IRQn = 8,
    TIMER1_IRQn = 9,
    RTC0_IRQn = 11,
    TEMP_IRQn = 12,
    UARTE1_IRQn = 40,
} IRQn_Type;

#define REGS_AT(type, member, offset)                                          \
    _Static_assert(offsetof(type, member) == (offset), #type "." #member)
REGS_AT(NRF_FICR_Type, DEVICEID, 0x060);
REGS_AT(NRF_FICR_Type, TEMP, 0x404);
REGS_AT(NRF_FICR_Type, TEMP.T4, 0x444);
REGS_AT(NRF_UICR_Type, APPROTECT, 0x208);
REGS_AT(NRF_CLOCK_Type, EVENTS_LFCLKSTARTED, 0x104);
REGS_AT(NRF_CLOCK_Type, HFCLKSTAT, 0x40C);
REGS_AT(NRF_CLOCK_Type, LFCLKSTAT, 0x418);
REGS_AT(NRF_CLOCK_Type, LFCLKSRC, 0x518);
REGS_AT(NRF_POWER_Type, RESETREAS, 0x400);
REGS_AT(NRF_POWER_Type, POFCON, 0x510);
REGS_AT(NRF_APPROTECT_Type, DISABLE, 0x558);
REGS_AT(NRF_UARTE_Type, EVENTS_RXDRDY, 0x108);
REGS_AT(NRF_UARTE_Type, EVENTS_ERROR, 0x124);
REGS_AT(NRF_UARTE_Type, EVENTS_TXSTOPPED, 0x158);
REGS_AT(NRF_UARTE_Type, INTENCLR, 0x308);
REGS_AT(NRF_UARTE_Type, PSEL.RXD, 0x514);
REGS_AT(NRF_UARTE_Type, BAUDRATE, 0x524);
REGS_AT(NRF_UARTE_Type, RXD.AMOUNT, 0x53C);
REGS_AT(NRF_UARTE_Type, TXD.AMOUNT, 0x54C);
REGS_AT(NRF_UARTE_Type, CONFIG, 0x56C);
REGS_AT(NRF_TIMER_Type, EVENTS_COMPARE, 0x140);
REGS_AT(NRF_TIMER_Type, PRESCALER, 0x510);
REGS_AT(NRF_TIMER_Type, CC, 0x540);
REGS_AT(NRF_RTC_Type, EVTENCLR, 0x348);
REGS_AT(NRF_RTC_Type, CC, 0x540);
REGS_AT(NRF_TEMP_Type, EVENTS_DATARDY, 0x100);
REGS_AT(NRF_TEMP_Type, INTENCLR, 0x308);
REGS_AT(NRF_TEMP_Type, TEMP, 0x508);
REGS_AT(NRF_TEMP_Type, T4, 0x570);
REGS_AT(NRF_WDT_Type, CONFIG, 0x50C);
REGS_AT(NRF_WDT_Type, RR, 0x600);
REGS_AT(NRF_NVMC_Type, ERASEPAGE, 0x508);
REGS_AT(NRF_ACL_Type, ACL[7].PERM, 0x878);
REGS_AT(NRF_PPI_Type, CHENCLR, 0x508);
REGS_AT(NRF_PPI_Type, CH[1].TEP, 0x51C);
REGS_AT(NRF_GPIO_Type, DIRCLR, 0x51C);
REGS_AT(NRF_GPIO_Type, PIN_CNF, 0x700);

#endif
