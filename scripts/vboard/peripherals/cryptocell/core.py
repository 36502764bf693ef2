# SPDX-License-Identifier: Apache-2.0
"""The CC310 core at 0x5002B000: DMA, data flow, clocks, interrupt, and its engines.

Rule 1: while ENABLE=0 every register reads 0 and ignores writes; switching off
        loses all but the write-once keys and life-cycle state.
Rule 2: a transfer is complete when the store to SRC_MEM_SIZE is: IRR bits are set
        and every BUSY register reads idle at once. (On the chip a transfer takes
        about 1 us per KiB; nothing may depend on it being slower.)
Rule 3: output waits in the DOUT FIFO until DST_MEM_SIZE or a CPU load takes it.
Rule 4: DMA reaches Data RAM only, at most 64 KiB - 1 at a time.
Rule 5: PKA, CHACHA and GHASH are refused by name.
"""

from __future__ import annotations

from vboard.clock import Clock
from vboard.errors import GuestError
from vboard.fabric import Bus, IrqLine, Peripheral, ResetKind
from vboard.peripherals.cryptocell.aes import AesEngine
from vboard.peripherals.cryptocell.hash import HashEngine
from vboard.peripherals.cryptocell.regs import (
    ARRAYS,
    FOREIGN,
    READ_ONLY,
    REFUSED,
    Clocks,
    Flow,
    Irr,
    locate,
    name_of,
)
from vboard.peripherals.cryptocell.regs import Register as R
from vboard.peripherals.cryptocell.rng import SRAM_SIZE, Trng

SIGNATURE = 0x20E0_0000
BOOT = 0x4622_982C
VERSION = 0xF000_0000
IMR_RESET = 0x01FF_FFFF
LARGEST_DMA = 0xFFFF
SIZE_MASK = 0x3FFF_FFFF  # bits 30 FIRST and 31 LAST have no effect
LCS_VALID = 1 << 8
LCS_RESET = 0x002

_CLOCKS = {
    R.AES_CLK: Clocks.AES,
    R.HASH_CLK: Clocks.HASH,
    R.PKA_CLK: Clocks.PKA,
    R.DMA_CLK: Clocks.DMA,
    R.CHACHA_CLK: Clocks.CHACHA,
}
_PLAIN = (
    R.CONTEXT_ID,
    R.AHBM_SINGLES,
    R.AHBM_HPROT,
    R.AHBM_HMASTLOCK,
    R.AHBM_HNONSEC,
    R.SRC_SRAM_ADDR,
    R.DST_SRAM_ADDR,
    R.DIN_DMA_SRAM_ENDIANNESS,
    R.DOUT_DMA_SRAM_ENDIANNESS,
    R.HOST_CRYPTOKEY_SEL,
)
_WITH_AES = (
    Flow.AES,
    Flow.AES_TO_HASH,
    Flow.AES_AND_HASH,
    Flow.AES_MAC_AND_BYPASS,
    Flow.AES_TO_HASH_AND_DOUT,
)
_WITH_HASH = (
    Flow.HASH,
    Flow.AES_TO_HASH,
    Flow.AES_AND_HASH,
    Flow.AES_TO_HASH_AND_DOUT,
)


class Core(Peripheral):
    """Everything behind the wrapper's ENABLE."""

    name = "CC310"
    base = 0x5002_B000
    size = 0x1000

    def __init__(
        self, clock: Clock, bus: Bus, irq: IrqLine | None = None, *, seed: int = 0
    ) -> None:
        super().__init__(clock, bus, irq)
        self.aes = AesEngine()
        self.hash = HashEngine()
        self.trng = Trng(clock, lambda: self._interrupt(Irr.RNG), seed=seed)
        self.enabled = False
        self._forget()
        self._forget_keys()

    # Power

    def enable(self, on: bool) -> None:
        """The wrapper's ENABLE bit."""
        if self.enabled and not on:
            self._forget()
        self.enabled = on
        self._update()

    def reset(self, kind: ResetKind) -> None:
        """Reset values; K_DR and the life-cycle state stay until power-on."""
        self.enabled = False
        self._forget()
        if kind is ResetKind.POWER_ON:
            self._forget_keys()
        self._update()

    def _forget(self) -> None:
        self.aes.reset()
        self.hash.reset()
        self.trng.reset()
        self.clocks = Clocks.DMA
        self.flow = Flow.BYPASS
        self.irr = 0
        self.imr = IMR_RESET
        self._plain = dict.fromkeys(_PLAIN, 0)
        self._source = 0
        self._destination = 0
        self._wanted = 0  # bytes that the armed DOUT DMA still takes
        self._to_sram = False
        self._fifo = b""  # DOUT
        self._cpu_left = 0  # bytes that the CPU announced for DIN
        self._cpu_data = b""

    def _forget_keys(self) -> None:
        self._k_dr: dict[int, int] = {}
        self._k_prtl_lock = 0
        self._lcs = LCS_RESET

    # Registers

    def read(self, offset: int) -> int:
        """Value of the register at `offset`; write-only ones read 0."""
        if not self.enabled:
            return 0
        found = locate(offset)
        if found is None:
            return self._foreign(offset, 0)
        register, index = found
        if register < 0x200 or register >= R.SRAM_DATA:
            return self.trng.read(register, index)
        if register < 0x600:
            return self.aes.read(register, index)
        if register < 0x800:
            return self.hash.read(register, index)
        match register:
            case R.CLK_STATUS:
                return int(self.clocks)
            case R.VERSION:
                return VERSION
            case R.IRR:
                return int(self.irr)
            case R.IMR:
                return self.imr
            case R.HOST_SIGNATURE:
                return SIGNATURE
            case R.HOST_BOOT:
                return BOOT
            case R.HOST_IOT_KPRTL_LOCK:
                return self._k_prtl_lock
            case R.HOST_IOT_KDR0:
                return int(index == 0 and len(self._k_dr) == ARRAYS[R.HOST_IOT_KDR0])
            case R.HOST_IOT_LCS:
                return self._lcs
            case R.DIN_FIFO_EMPTY:
                return int(not self._cpu_data)
            case R.DOUT_FIFO_EMPTY:
                return int(not self._fifo)
            case R.DOUT_BUFFER:
                return self._cpu_load(offset)
            case _:
                return self._plain.get(register, 0)

    def write(self, offset: int, value: int) -> None:
        """A store of `value` to the register at `offset`."""
        if not self.enabled:
            return
        found = locate(offset)
        if found is None:
            self._foreign(offset, value)
            return
        register, index = found
        if register in READ_ONLY:
            raise self.fault(f"the register is read-only (0x{value:08x})", offset)
        if register is R.AES_SK:
            self._load_hardware_key(offset, value)
        elif register < 0x200 or register >= R.SRAM_DATA:
            self.trng.write(register, value)
        elif register < 0x600:
            self.aes.write(register, index, value)
        elif register < 0x800:
            if register is R.HASH_PAD_FORCE and value:
                self._need_clock(Clocks.HASH, offset)
            self.hash.write(register, index, value)
        elif register < R.DIN_BUFFER:
            self._write_host(register, index, value)
        else:
            self._write_data(register, offset, value)

    def _write_host(self, register: R, index: int, value: int) -> None:
        match register:
            case _ if register in _CLOCKS:
                bit = _CLOCKS[register]
                self.clocks = self.clocks | bit if value & 1 else self.clocks & ~bit
            case R.CRYPTO_CTL:
                try:
                    self.flow = Flow(value & 0x1F)
                except ValueError:
                    raise self.fault(
                        f"0x{value & 0x1F:x} is not a cryptographic flow", register
                    ) from None
            case R.IMR:
                self.imr = value
                self._update()
            case R.ICR:
                self.irr &= ~value
                self._update()
            case R.ENDIANNESS:
                if value:
                    raise self.fault(
                        f"expected 0 (little-endian), got 0x{value:x}", register
                    )
            case R.HOST_IOT_KPRTL_LOCK:
                self._k_prtl_lock |= value & 1
            case R.HOST_IOT_KDR0:
                self._k_dr.setdefault(index, value)
            case R.HOST_IOT_LCS:
                if not self._lcs & LCS_VALID:
                    self._lcs = value & 7 | LCS_VALID
            case _:
                self._plain[register] = value

    def _write_data(self, register: R, offset: int, value: int) -> None:
        match register:
            case R.SRC_MEM_ADDR:
                self._source = value
            case R.SRC_MEM_SIZE:
                if value & SIZE_MASK:
                    self._transfer(offset, value & SIZE_MASK)
            case R.SRC_SRAM_SIZE:
                start = self._plain[R.SRC_SRAM_ADDR]
                data = self._sram(offset, start, value & SIZE_MASK)
                self._process(offset, data)
                self._interrupt(Irr.SRAM_TO_DIN)
            case R.DST_MEM_ADDR:
                self._destination = value
            case R.DST_MEM_SIZE:
                self._arm(offset, value & SIZE_MASK, to_sram=False)
            case R.DST_SRAM_SIZE:
                self._sram(offset, self._plain[R.DST_SRAM_ADDR], value & SIZE_MASK)
                self._arm(offset, value & SIZE_MASK, to_sram=True)
            case R.DIN_CPU_DATA:
                self._cpu_left = value & 0xFFFF
                self._cpu_data = b""
            case R.DIN_BUFFER:
                self._cpu_store(offset, value)
            case R.DIN_SW_RESET | R.DIN_FIFO_RESET:
                self._cpu_left, self._cpu_data = 0, b""
            case R.DOUT_SW_RESET:
                self._wanted, self._fifo = 0, b""
            case R.DIN_WRITE_ALIGN | R.DOUT_READ_ALIGN:
                pass  # sizes are known: DIN_CPU_DATA says where the data ends
            case _:
                self._plain[register] = value

    # Data

    def _transfer(self, offset: int, size: int) -> None:
        self._check_size(offset, size)
        self._need_clock(Clocks.DMA, offset)
        data = self.bus.dma_read(self._source, size, block=self.name)
        self._interrupt(Irr.MEM_TO_DIN)
        self._process(offset, data)

    def _process(self, offset: int, data: bytes) -> None:
        """`data` passes through the engines of CRYPTO_CTL into the DOUT FIFO."""
        flow = self.flow
        output = b""
        ciphered = b""
        if flow is Flow.CHACHA:
            raise self.fault("CHACHA is not modelled", offset)
        if flow in _WITH_AES:
            self._need_clock(Clocks.AES, offset)
            ciphered = self.aes.process(data)
        if flow in _WITH_HASH:
            self._need_clock(Clocks.HASH, offset)
            after_aes = flow in (Flow.AES_TO_HASH, Flow.AES_TO_HASH_AND_DOUT)
            self.hash.feed(ciphered if after_aes else data)
        if flow in (Flow.AES, Flow.AES_AND_HASH, Flow.AES_TO_HASH_AND_DOUT):
            output = ciphered
        elif flow in (Flow.BYPASS, Flow.AES_MAC_AND_BYPASS):
            output = data
        self._fifo += output
        self._drain()

    def _arm(self, offset: int, size: int, *, to_sram: bool) -> None:
        self._check_size(offset, size)
        if size and not to_sram:
            self._need_clock(Clocks.DMA, offset)
        self._wanted, self._to_sram = size, to_sram
        self._drain()

    def _drain(self) -> None:
        """Moves what is in the DOUT FIFO to where the DMA was told to."""
        if not self._wanted or not self._fifo:
            return
        part = self._fifo[: self._wanted]
        self._fifo = self._fifo[len(part) :]
        self._wanted -= len(part)
        if self._to_sram:
            start = self._plain[R.DST_SRAM_ADDR]
            self.trng.sram[start : start + len(part)] = part
            self._plain[R.DST_SRAM_ADDR] = start + len(part)
        else:
            self.bus.dma_write(self._destination, part, block=self.name)
            self._destination += len(part)
        if not self._wanted:
            self._interrupt(Irr.DOUT_TO_SRAM if self._to_sram else Irr.DOUT_TO_MEM)

    def _cpu_store(self, offset: int, value: int) -> None:
        if not self._cpu_left:
            raise self.fault("expected DIN_CPU_DATA with the size first", offset)
        self._cpu_data += value.to_bytes(4, "little")
        if len(self._cpu_data) >= self._cpu_left:
            data = self._cpu_data[: self._cpu_left]
            self._cpu_left, self._cpu_data = 0, b""
            self._process(offset, data)

    def _cpu_load(self, offset: int) -> int:
        if not self._fifo:
            raise self.fault("the DOUT FIFO is empty", offset)
        part, self._fifo = self._fifo[:4], self._fifo[4:]
        return int.from_bytes(part, "little")

    def _sram(self, offset: int, start: int, size: int) -> bytes:
        if start + size > SRAM_SIZE:
            raise self.fault(
                f"expected a range inside the {SRAM_SIZE} bytes of RNG SRAM, "
                f"got 0x{start:x}+{size}",
                offset,
            )
        return bytes(self.trng.sram[start : start + size])

    def _check_size(self, offset: int, size: int) -> None:
        if size > LARGEST_DMA:
            raise self.fault(
                f"expected at most {LARGEST_DMA} bytes in one transfer, got {size}",
                offset,
            )

    def _need_clock(self, clock: Clocks, offset: int) -> None:
        if not self.clocks & clock:
            raise self.fault(f"the {clock.name} clock is off", offset)

    def _load_hardware_key(self, offset: int, value: int) -> None:
        if not value & 1:
            return
        if self._plain[R.HOST_CRYPTOKEY_SEL] & 3:
            raise self.fault("only K_DR (HOST_CRYPTOKEY_SEL=0) is modelled", offset)
        self.aes.key[:4] = [self._k_dr.get(index, 0) for index in range(4)]

    # Interrupt

    def _interrupt(self, bit: Irr) -> None:
        self.irr |= bit
        self._update()

    def _update(self) -> None:
        if self.irq is not None:
            self.irq.set(self.enabled and bool(self.irr & ~self.imr))

    # Names and refusals

    def _foreign(self, offset: int, value: int) -> int:
        for first, last, engine in REFUSED:
            if first <= offset <= last:
                raise self.fault(f"{engine} is not modelled", offset)
        if offset not in FOREIGN or value:
            raise self.fault("no register at this offset", offset)
        return 0

    def register_name(self, offset: int) -> str:
        """Data-sheet name of the register at `offset`."""
        return name_of(offset)

    def fault(self, message: str, offset: int) -> GuestError:
        """The error for a bad access to `offset`."""
        return super().fault(message, offset)
