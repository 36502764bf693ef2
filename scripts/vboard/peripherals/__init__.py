# SPDX-License-Identifier: Apache-2.0
"""Peripheral models: one block, one file.

A board makes every block as `Class(clock, bus, irq)` and puts it on the bus:

| class (module)           | keyword         | base                     |
|--------------------------|-----------------|--------------------------|
| ClockPower (clock_power) | power=PowerPart | 40000000                 |
| Uarte (uarte)            | index=0, 1      | 40002000, 40028000       |
| Gpiote (gpiote)          |                 | 40006000                 |
| Timer (timer)            | index=0..4      | 40008000..A000, 4001A000..B000 |
| Rtc (rtc)                | index=0..2      | 4000B000, 40011000, 40024000   |
| Ecb (ecb)                |                 | 4000E000                 |
| Egu (egu)                | index=0..5      | 40014000..40019000       |
| Ppi (ppi)                |                 | 4001F000, no interrupt   |
| Gpio (gpio)              |                 | 50000000, no interrupt   |

The interrupt number of a block is its page number (base >> 12 & 0xFF).
`vboard.blocks` makes them all; `vboard.unmodelled` lists the rest, by name.
"""
