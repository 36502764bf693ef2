// APP_PAD_BYTES of pseudo-random constants, to make an image of any size: for
// demonstrations and measurements. They depend on the version, as code would.
//
// SPDX-License-Identifier: Apache-2.0
    .section .kept.padding, "a"
    .set seed, APP_VERSION
    .rept APP_PAD_BYTES / 4
    // Numerical Recipes' linear congruential generator
    .set seed, (seed * 1664525 + 1013904223) & 0xFFFFFFFF
    .word seed
    .endr
