# SPDX-License-Identifier: Apache-2.0
"""A real serial port as `nrfota.at.Link`.

Rule 1: the port is opened for us alone, and given back with the settings it had.
Rule 2: "sent" means that the last stop bit has left. Drivers tell when their own
        buffer is empty, but adapters and pseudo-terminals hold more; so the time
        that the bytes take on the wire is waited for as well.
"""

from __future__ import annotations

import errno
import select
import time
from typing import TYPE_CHECKING

from nrfota.errors import LinkError, NoDeviceError

if TYPE_CHECKING:
    from types import TracebackType

BITS_PER_BYTE = 10  # start, eight data bits, stop
# A port that takes nothing for so long is stuck (flow control without wires).
STUCK_S = 10.0


class SerialLink:
    """A serial port; `with SerialLink(path, baud=115200) as link:`."""

    def __init__(self, port: str, *, baud: int, flow_control: bool = False) -> None:
        """Opens `port`; raises `NoDeviceError` when that cannot be done."""
        import serial

        self._port = port
        try:
            self._serial = serial.Serial(
                port,
                baudrate=baud,
                timeout=0,
                write_timeout=STUCK_S,
                rtscts=flow_control,
                dsrdtr=False,
                exclusive=True,
            )
        except PermissionError as error:
            raise self._refused() from error
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None) == errno.EACCES:
                raise self._refused() from error
            raise NoDeviceError(
                f"expected a serial port at {port}, got: {error}"
            ) from error
        # `serial.SerialException` is an OSError.
        self._failures: tuple[type[Exception], ...] = (OSError, ValueError)
        self._wire_free = 0.0

    def __enter__(self) -> SerialLink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """Path of the port."""
        return self._port

    @property
    def baud(self) -> int:
        """Present baud rate."""
        return int(self._serial.baudrate)

    def now(self) -> float:
        """The host's monotonic clock."""
        return time.monotonic()

    def write(self, data: bytes) -> None:
        """Gives `data` to the driver; blocks while the other end holds it off."""
        start = max(self._wire_free, time.monotonic())
        try:
            self._serial.write(data)
        except self._failures as error:
            raise LinkError(
                f"expected {self._port} to take {len(data)} bytes within "
                f"{STUCK_S:.0f} s, got: {error}"
            ) from error
        self._wire_free = start + len(data) * BITS_PER_BYTE / self.baud

    def drain(self) -> float:
        """Waits for the driver's buffer and the wire; when the last bit left.

        That is before now: the host wakes up late, and the gap that follows a block
        has begun already.
        """
        end = time.monotonic() + STUCK_S
        try:
            while self._serial.out_waiting:
                if time.monotonic() > end:
                    raise LinkError(
                        f"expected {self._port} to send within {STUCK_S:.0f} s, got "
                        f"{self._serial.out_waiting} bytes held back "
                        "(are RTS and CTS wired?)"
                    )
                time.sleep(0.001)
        except self._failures as error:
            raise self._gone(error) from error
        now = time.monotonic()
        if now < self._wire_free:
            time.sleep(self._wire_free - now)
            return self._wire_free
        return now

    def read(self, timeout_s: float) -> bytes:
        """What is there, or comes within `timeout_s`."""
        try:
            if hasattr(self._serial, "fileno"):
                ready, _, _ = select.select([self._serial], [], [], timeout_s)
                if not ready:
                    return b""
                data = bytes(self._serial.read(65536))
                if not data:
                    raise OSError("the port was unplugged")
                return data
            self._serial.timeout = timeout_s
            first = bytes(self._serial.read(1))
            self._serial.timeout = 0
            return first + bytes(self._serial.read(65536)) if first else b""
        except self._failures as error:
            raise self._gone(error) from error

    def set_baud(self, baud: int) -> None:
        """Changes the baud rate once everything is sent."""
        self.drain()
        try:
            self._serial.baudrate = baud
        except self._failures as error:
            raise LinkError(f"{self._port} cannot do {baud} baud: {error}") from error

    def set_flow_control(self, enabled: bool) -> None:
        """RTS/CTS at our end."""
        try:
            self._serial.rtscts = enabled
        except self._failures as error:
            raise LinkError(f"{self._port} has no RTS/CTS: {error}") from error

    def close(self) -> None:
        """Closes the port."""
        self._serial.close()

    def _refused(self) -> NoDeviceError:
        return NoDeviceError(
            f"expected a serial port at {self._port} that may be used, got: permission "
            "denied (is the user in its group, on Debian 'dialout'?)"
        )

    def _gone(self, error: Exception) -> LinkError:
        return LinkError(f"lost the serial port {self._port}: {error}")
