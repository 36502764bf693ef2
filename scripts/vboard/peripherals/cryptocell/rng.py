# SPDX-License-Identifier: Apache-2.0
"""The TRNG (CC_RNG) and the RNG SRAM: seeded, so every run is the same.

192 bits take 192 x SAMPLE_CNT core clocks. Reading the last EHR word starts the
next collection. The health tests never fail.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from vboard.clock import Alarm, Clock
from vboard.peripherals.cryptocell.regs import Register as R

EHR_VALID, DMA_DONE = 1 << 0, 1 << 5
EHR_WORDS = 6
EHR_BITS = 192
SAMPLE_CNT_RESET = 0xFFFF
CORE_HZ = 64_000_000
SRAM_SIZE = 2048
HW_FLAGS = 0x0F

_PLAIN = {
    R.TRNG_CONFIG: 0x7,
    R.AUTOCORR_STATISTIC: 0x3F_FFFF,
    R.TRNG_DEBUG: 0xF,
    R.RNG_DMA_ROSC_LEN: 0xF,
    R.RNG_DMA_SRAM_ADDR: 0x7FF,
    R.RNG_DMA_SAMPLES_NUM: 0xFF,
    R.RNG_WATCHDOG_VAL: 0xFFFF_FFFF,
}


class Trng:
    """`on_interrupt` is called when an unmasked bit of RNG_ISR comes up."""

    def __init__(
        self, clock: Clock, on_interrupt: Callable[[], None], *, seed: int
    ) -> None:
        self._clock = clock
        self._on_interrupt = on_interrupt
        self._random = random.Random(f"trng:{seed}")
        self._alarm: Alarm | None = None
        self.sram = bytearray(SRAM_SIZE)
        self.sram_address = 0
        self.reset()

    def reset(self) -> None:
        """Reset values; collection stops."""
        self._stop()
        self.imr = 0x3F
        self.isr = 0
        self.valid = False
        self.ehr = [0] * EHR_WORDS
        self.source = 0
        self.sample_count = SAMPLE_CNT_RESET
        self.dma = 0
        self._plain = dict.fromkeys(_PLAIN, 0)

    def read(self, register: R, index: int) -> int:
        """Value of a CC_RNG or CC_RNG_SRAM register."""
        match register:
            case R.RNG_IMR:
                return self.imr
            case R.RNG_ISR:
                return self.isr
            case R.TRNG_VALID:
                return int(self.valid)
            case R.EHR_DATA:
                return self._read_ehr(index)
            case R.NOISE_SOURCE:
                return self.source
            case R.SAMPLE_CNT:
                return self.sample_count
            case R.RNG_BUSY | R.RNG_DMA_BUSY:
                return int(self._alarm is not None and self._alarm.pending)
            case R.RNG_HW_FLAGS:
                return HW_FLAGS
            case R.RNG_DMA:
                return self.dma
            case R.SRAM_DATA:
                return self._read_sram()
            case R.SRAM_DATA_READY:
                return 1
            case _:
                return self._plain.get(register, 0)

    def write(self, register: R, value: int) -> None:
        """A store to a CC_RNG or CC_RNG_SRAM register."""
        match register:
            case R.RNG_IMR:
                self.imr = value & 0x3F
            case R.RNG_ICR:
                self.isr &= ~value
            case R.NOISE_SOURCE:
                self.source = value & 1
                self._restart()
            case R.SAMPLE_CNT:
                self.sample_count = value
            case R.RNG_SW_RESET:
                if value & 1:
                    self.reset()
            case R.TRNG_RESET:
                if not self.source:  # works only while the source is off
                    self.valid = False
                    self.ehr = [0] * EHR_WORDS
            case R.RNG_DMA:
                self.dma = value & 1
                self._restart()
            case R.SRAM_DATA:
                at = self.sram_address % SRAM_SIZE & ~3
                self.sram[at : at + 4] = value.to_bytes(4, "little")
                self.sram_address += 4
            case R.SRAM_ADDR:
                self.sram_address = value
            case _ if register in _PLAIN:
                self._plain[register] = value & _PLAIN[register]
            case _:
                pass  # RNG_CLK: the clock is taken as on

    def _read_ehr(self, index: int) -> int:
        word = self.ehr[index]
        if index == EHR_WORDS - 1 and self.valid:
            self.valid = False
            self.ehr = [0] * EHR_WORDS
            self._restart()
        return word

    def _read_sram(self) -> int:
        at = self.sram_address % SRAM_SIZE & ~3
        self.sram_address += 4
        return int.from_bytes(self.sram[at : at + 4], "little")

    def _stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None

    def _restart(self) -> None:
        self._stop()
        if not self.source or (self.valid and not self.dma):
            return
        rounds = max(1, self._plain[R.RNG_DMA_SAMPLES_NUM]) if self.dma else 1
        clocks = EHR_BITS * max(1, self.sample_count) * rounds
        self._alarm = self._clock.call_after_ns(
            clocks * 1_000_000_000 // CORE_HZ, self._collected
        )

    def _collected(self) -> None:
        if self.dma:
            size = max(1, self._plain[R.RNG_DMA_SAMPLES_NUM]) * EHR_WORDS * 4
            start = self._plain[R.RNG_DMA_SRAM_ADDR]
            for index, byte in enumerate(self._random.randbytes(size)):
                self.sram[(start + index) % SRAM_SIZE] = byte
            self.dma = 0
            self._raise(DMA_DONE)
            return
        self.ehr = [self._random.getrandbits(32) for _ in range(EHR_WORDS)]
        self.valid = True
        self._raise(EHR_VALID)

    def _raise(self, bit: int) -> None:
        self.isr |= bit
        if bit & ~self.imr:
            self._on_interrupt()
