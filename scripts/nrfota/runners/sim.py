# SPDX-License-Identifier: Apache-2.0
"""Runner for the virtual board: no hardware, the same steps.

Rule 1: only this module imports `vboard`, and only when it is used.
Rule 2: what survives is in the folder `sim_dir`: flash in `nv.bin`, the modem's files
        in `modem/`. RAM survives as long as this object.
Rule 3: staging goes through the emulated modem's serial line, by the same code as on
        a bench, in simulated time. The modem is then on the bench, not on the board.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nrfota.board import default_board_path, load_board
from nrfota.errors import FormatError, LinkError, NoDeviceError, OtaError, UsageError
from nrfota.hexfile import read_hex
from nrfota.outputs import read_input
from nrfota.runners.base import EVERYTHING, Erase, RunnerOptions
from nrfota.segment import Segment

if TYPE_CHECKING:
    from nrfota.at import Link
    from nrfota.board import Board as BoardFile

NS_PER_S = 1_000_000_000
PAGE = 4096
FLASH_SIZE = 0x100000
UICR_BASE = 0x10001000
# RTS/CTS: how much is on its way before the modem's ready line is looked at.
FLOW_PIECE = 64


class SimRunner:
    """An nRF52840 with a SIM7600E, in this process."""

    name = "sim"
    capabilities = EVERYTHING

    def __init__(self, options: RunnerOptions) -> None:
        if options.sim_dir is None:
            raise UsageError("runner sim needs a build directory: -d DIR")
        self._options = options
        self._nv_path = options.sim_dir / "nv.bin"
        self._modem_dir = options.sim_dir / "modem"
        self._wiring = load_board(default_board_path(options.board))
        self._nv: Any = None
        self._board: Any = None
        self._modem: Any = None
        self._console: SimLink | None = None

    def check(self) -> None:
        """The `sim` extra must be installed."""
        for package in ("vboard", "unicorn"):
            if importlib.util.find_spec(package) is None:
                raise NoDeviceError(
                    f"the virtual board needs the package '{package}'; "
                    "install it with: pip install nrfota[sim]"
                )

    # Steps

    def provision(self, hex_path: Path, *, erase: Erase) -> None:
        """Writes flash and UICR as a debug probe does; the board is off meanwhile."""
        self._tell(f"program {hex_path}, erase {erase.value}")
        if self._options.dry_run:
            return
        self._power_off()
        nv = self._memory()
        if erase is Erase.CHIP:
            nv.preload(0, b"\xff" * FLASH_SIZE)
            nv.preload(UICR_BASE, b"\xff" * PAGE)
        segments = read_hex(read_input(hex_path), source=str(hex_path))
        with _failures():
            for address, page in _pages(segments, nv.read):
                nv.preload(address, page)
        self._save()

    def write_ram(self, address: int, data: bytes) -> None:
        """Stores into RAM of the running board."""
        self._tell(f"write {len(data)} bytes to RAM at 0x{address:08x}")
        if not self._options.dry_run:
            self._powered().ram_write(address, data)

    def reset(self) -> None:
        """Soft reset, or power-on when the board was off."""
        self._tell("soft reset")
        if self._options.dry_run:
            return
        if self._board is None:
            self._powered()
        else:
            self._board.soft_reset()

    def read_flash(self, address: int, size: int) -> bytes:
        """Bytes of flash or UICR."""
        self._tell(f"read {size} bytes at 0x{address:08x}")
        return (
            b"" if self._options.dry_run else bytes(self._memory().read(address, size))
        )

    # Links

    def modem_link(self) -> Link:
        """The emulated modem's serial line, on a clock of its own."""
        self.check()
        from vboard.clock import Clock
        from vboard.modem.sim7600 import Sim7600
        from vboard.modem.storage import Storage
        from vboard.terminal import Terminal
        from vboard.wire import Wire

        clock = Clock()
        self._modem_dir.mkdir(parents=True, exist_ok=True)
        modem = Sim7600(clock, Storage(self._modem_dir), seed=self._options.seed)
        to_modem, to_host = Wire("host to modem"), Wire("modem to host")
        modem.attach(to_modem, to_host)
        modem.start_ready()
        terminal = Terminal(
            clock,
            from_board=to_host,
            to_board=to_modem,
            baud=self._wiring.modem.baud,
            strict_baud=True,
        )

        def advance(until_ns: int, stop: Callable[[], bool]) -> None:
            while not stop():
                next_ns = clock.next_ns()
                if next_ns is None or next_ns > until_ns:
                    clock.advance_to_ns(until_ns)
                    return
                clock.advance_to_ns(next_ns)

        return SimLink(
            terminal,
            advance,
            name="the virtual modem",
            ready=lambda: to_modem.ready,
            on_close=modem.power_off,
        )

    def console_link(self) -> Link:
        """The board's console UART; waiting on it runs the board."""
        self._powered()
        assert self._console is not None
        return self._console

    def close(self) -> None:
        """Switches the board off; its flash is kept."""
        self._power_off()

    # Inside

    def _tell(self, what: str) -> None:
        self._options.on_note(f"sim: {what}")

    def _memory(self) -> Any:
        if self._nv is None:
            self.check()
            from vboard.nv import NvMemory

            with _failures():
                self._nv = (
                    NvMemory.open(self._nv_path)
                    if self._nv_path.exists()
                    else NvMemory(seed=self._options.seed)
                )
        return self._nv

    def _save(self) -> None:
        self._nv_path.parent.mkdir(parents=True, exist_ok=True)
        self._memory().save(self._nv_path)

    def _powered(self) -> Any:
        """The board, switched on."""
        if self._board is not None:
            return self._board
        nv = self._memory()
        from vboard.board import Board
        from vboard.modem.power_key import connect_pwrkey
        from vboard.modem.sim7600 import Sim7600
        from vboard.modem.storage import Storage
        from vboard.terminal import Terminal

        board = Board(nv, seed=self._options.seed)
        wiring: BoardFile = self._wiring
        console = board.uart(wiring.console.uart)
        terminal = Terminal(
            board.clock,
            from_board=console.tx,
            to_board=console.rx,
            baud=wiring.console.baud,
            strict_baud=True,
        )
        uart = board.uart(wiring.modem.uart)
        self._modem_dir.mkdir(parents=True, exist_ok=True)
        modem = Sim7600(board.clock, Storage(self._modem_dir), seed=self._options.seed)
        modem.attach(uart.tx, uart.rx)
        if wiring.modem.pwrkey is not None:
            gpio: Any = board.block("GPIO")
            connect_pwrkey(
                gpio,
                modem,
                wiring.modem.pwrkey,
                active_high=wiring.modem.pwrkey_active_high,
            )
        modem.start_ready()

        def advance(until_ns: int, stop: Callable[[], bool]) -> None:
            with _failures():
                board.run(until_ns, stop)
            if not stop() and board.clock.now_ns < until_ns:
                board.clock.advance_to_ns(until_ns)

        self._board, self._modem = board, modem
        self._console = SimLink(terminal, advance, name="the virtual console")
        return board

    def _power_off(self) -> None:
        if self._board is not None:
            self._modem.power_off()
            self._board.close()
            self._board = self._modem = self._console = None
            self._save()


class SimLink:
    """`nrfota.at.Link` to something that lives in simulated time."""

    def __init__(
        self,
        terminal: Any,
        advance: Callable[[int, Callable[[], bool]], None],
        *,
        name: str,
        ready: Callable[[], bool] = lambda: True,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._terminal = terminal
        self._advance = advance
        self._name = name
        self._ready = ready
        self._on_close = on_close
        self._flow_control = False
        self._free_ns = 0

    @property
    def name(self) -> str:
        """For messages."""
        return self._name

    @property
    def baud(self) -> int:
        """Present baud rate."""
        return int(self._terminal.baud)

    def now(self) -> float:
        """Simulated seconds."""
        return float(self._terminal.clock.now_ns / NS_PER_S)

    def write(self, data: bytes) -> None:
        """Puts bytes on the wire; with RTS/CTS, when the other end is ready."""
        if not self._flow_control:
            self._type(data)
            return
        for start in range(0, len(data), FLOW_PIECE):
            self._wait_ready()
            self._type(data[start : start + FLOW_PIECE])
            self.drain()

    def drain(self) -> float:
        """Lets the time pass that the bytes take."""
        self._advance(self._free_ns, lambda: False)
        return self.now()

    def read(self, timeout_s: float) -> bytes:
        """Lets time pass until something came, at most `timeout_s`."""
        received = self._terminal.received
        if not received:
            # Rounded up: a wait must never end before the instant it is for.
            until_ns = self._terminal.clock.now_ns + math.ceil(timeout_s * NS_PER_S)
            self._advance(until_ns, lambda: bool(received))
        data = bytes(received)
        received.clear()
        return data

    def set_baud(self, baud: int) -> None:
        """Our end's baud rate, once everything is sent."""
        self.drain()
        self._terminal.baud = baud

    def set_flow_control(self, enabled: bool) -> None:
        """Our end's RTS/CTS."""
        self._flow_control = enabled

    def close(self) -> None:
        """Lets go of it."""
        self._on_close()
        self._on_close = lambda: None

    def _type(self, data: bytes) -> None:
        now_ns = self._terminal.clock.now_ns
        wire_ns = len(data) * 10 * NS_PER_S // self.baud + 1
        self._free_ns = max(now_ns, self._free_ns) + wire_ns
        self._terminal.type(data)

    def _wait_ready(self) -> None:
        until_ns = self._terminal.clock.now_ns + 10 * NS_PER_S
        self._advance(until_ns, self._ready)
        if not self._ready():
            raise LinkError(
                f"expected {self._name} to be ready within 10 s, it was not"
            )


class _failures:
    """The virtual board's errors as ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        from vboard.errors import VboardError

        if isinstance(error, VboardError):
            raise OtaError(f"virtual board: {error}") from error


def _pages(
    segments: tuple[Segment, ...], read: Callable[[int, int], bytes]
) -> list[tuple[int, bytes]]:
    """Whole pages, erased and then programmed with `segments`.

    UICR words are written into what is there: touching sectors does not erase UICR.
    """
    pages: dict[int, bytearray] = {}
    for segment in segments:
        in_uicr = segment.address >= UICR_BASE and segment.end <= UICR_BASE + PAGE
        if segment.end > FLASH_SIZE and not in_uicr:
            raise FormatError(
                f"expected data for flash or UICR, got 0x{segment.address:08x}.."
                f"0x{segment.end:08x} ({segment.origin})"
            )
        for offset, byte in enumerate(segment.data):
            at = segment.address + offset
            page = at & ~(PAGE - 1)
            if page not in pages:
                old = read(page, PAGE) if page >= FLASH_SIZE else b"\xff" * PAGE
                pages[page] = bytearray(old)
            pages[page][at - page] = byte
    return [(address, bytes(data)) for address, data in sorted(pages.items())]
