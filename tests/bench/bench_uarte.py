# SPDX-License-Identifier: Apache-2.0
"""How much wall time a received megabyte costs in the UARTE model.

    python tests/bench/bench_uarte.py

1 MiB at 460800 baud, buffers of 4 KiB, double buffering by the ENDRX_STARTRX
short, RXDRDY counted by a TIMER through PPI. No CPU runs: this is the model alone.
"""

from __future__ import annotations

import time

from vboard.clock import Clock
from vboard.fabric import Bus, IrqLine
from vboard.peripherals.ppi import Ppi
from vboard.peripherals.timer import Timer
from vboard.peripherals.uarte import Register as R
from vboard.peripherals.uarte import Uarte
from vboard.wire import Burst

RAM = 0x2000_0000
SIZE = 1 << 20
BUFFER = 4096
BYTE_NS = 21_701  # ten bits at 460800 baud


def receive(*, burst_size: int, counting: bool) -> float:
    """Seconds of wall time for SIZE bytes in bursts of `burst_size`."""
    clock, bus, ram = Clock(), Bus(), bytearray(2 * BUFFER)

    def ram_write(address: int, data: bytes) -> None:
        ram[address - RAM : address - RAM + len(data)] = data

    bus.ram_write = ram_write
    uarte = Uarte(clock, bus, IrqLine(2, lambda number, level: None))
    timer = Timer(clock, bus, IrqLine(9, lambda number, level: None), index=1)
    ppi = Ppi(clock, bus)
    for block in (uarte, timer, ppi):
        bus.add(block)
    for register, value in (
        (R.PSEL_RXD, 8),
        (R.BAUDRATE, 0x0740_0000),
        (R.RXD_PTR, RAM),
        (R.RXD_MAXCNT, BUFFER),
        (R.SHORTS, 1 << 5),
        (R.ENABLE, 8),
    ):
        uarte.write(register, value)
    if counting:
        for offset, value in ((0x504, 1), (0x508, 3), (0x000, 1)):
            timer.write(offset, value)
        ppi.write(0x510, uarte.base + R.EVENTS_RXDRDY)
        ppi.write(0x514, timer.base + 0x008)
        ppi.write(0x504, 1)
    full = 0

    def next_buffer(count: int) -> None:
        nonlocal full
        full += 1
        uarte.write(R.EVENTS_ENDRX, 0)
        uarte.write(R.RXD_PTR, RAM + BUFFER * (full % 2))

    bus.listen(uarte.base + R.EVENTS_ENDRX, next_buffer)
    uarte.write(R.TASKS_STARTRX, 1)
    data = bytes(index & 0xFF for index in range(burst_size))
    started = time.perf_counter()
    for _ in range(0, SIZE, burst_size):
        burst = Burst(clock.now_ns, BYTE_NS, data)
        uarte.rx.send(burst)
        clock.advance_to_ns(burst.end_ns)
    seconds = time.perf_counter() - started
    assert full == SIZE // BUFFER, full
    if counting:
        timer.write(0x040, 1)
        assert timer.read(0x540) == SIZE
    return seconds


def main() -> None:
    """Prints one line per way of sending."""
    simulated = SIZE * BYTE_NS / 1e9
    print(f"1 MiB at 460800 baud, {simulated:.1f} s simulated, 4 KiB buffers")
    for burst_size in (4096, 512, 64):
        for counting in (False, True):
            seconds = receive(burst_size=burst_size, counting=counting)
            how = "counted by PPI and TIMER" if counting else "not counted"
            print(f"bursts of {burst_size:4}, {how:24}: {seconds:.3f} s")


if __name__ == "__main__":
    main()
