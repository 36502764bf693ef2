// Work-arounds, by number as in the nRF52840 errata document.
//
// SPDX-License-Identifier: Apache-2.0
#include "errata.h"

#include "nrf52840_regs.h"

// Registers without a name in the vendor's header.
#define REGISTER(address) (*(volatile uint32_t *)(address))

#define RESETREAS_PIN 1u
#define MDK_REVISION_3 5u // FICR word 0x134 from which APPROTECT is software's
#define REVISION_BLANK 0xFFFFFFFFu

// 36: some CLOCK registers are not reset.
static void erratum_36(void)
{
    REGISTER(0x4000010C) = 0; // EVENTS_DONE
    REGISTER(0x40000110) = 0; // EVENTS_CTTO
    REGISTER(0x40000538) = 0; // CTIV
}

// 66: the temperature sensor's calibration is not loaded.
static void erratum_66(void)
{
    const volatile uint32_t *ficr = &NRF_FICR->TEMP.A0;
    volatile uint32_t *a = &NRF_TEMP->A0;
    volatile uint32_t *b = &NRF_TEMP->B0;
    volatile uint32_t *t = &NRF_TEMP->T0;
    for (unsigned i = 0; i < 6; i++) {
        a[i] = ficr[i];
        b[i] = ficr[6 + i];
    }
    for (unsigned i = 0; i < 5; i++) {
        t[i] = ficr[12 + i];
    }
}

// 246: higher current in sleep than specified.
static void erratum_246(void)
{
    REGISTER(0x4007AC84) = 2;
}

// Configuration 249: from revision 3 on the debug port stays closed unless
// software opens it, with what UICR says.
static void configuration_249(void)
{
    uint32_t revision = REGISTER(0x10000134);
    if (revision >= MDK_REVISION_3 && revision != REVISION_BLANK) {
        NRF_APPROTECT->DISABLE = NRF_UICR->APPROTECT;
    }
}

void errata_apply(void)
{
    erratum_36();
    erratum_66();
    erratum_246();
    configuration_249();
}

uint32_t errata_take_resetreas(void)
{
    uint32_t reasons = NRF_POWER->RESETREAS;
    // 136: with the pin's bit set the others may be false.
    if (reasons & RESETREAS_PIN) {
        reasons = RESETREAS_PIN;
        NRF_POWER->RESETREAS = ~RESETREAS_PIN;
    }
    NRF_POWER->RESETREAS = NRF_POWER->RESETREAS;
    return reasons;
}
