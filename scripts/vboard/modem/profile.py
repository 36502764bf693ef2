# SPDX-License-Identifier: Apache-2.0
"""What differs between one SIM7600 and the next, as numbers and switches.

The AT manual leaves much open and firmware versions differ. Every behaviour that
is not certain is a field here; the default is the best documented one. Times are
in milliseconds, sizes in bytes, rates in bytes per second.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vboard.errors import VboardError

MIB = 1024 * 1024
_ROUTE = re.compile(r"([^:=\s]+):(\d{1,5})=([^:=\s]+):(\d{1,5})")

_CHOICES = {
    "overwrite": ("truncate", "error"),
    "full": ("prompt", "end"),
    "length_format": ("%d", " %d", "%03d"),
    "past_end": ("empty", "error"),
    "aborted_upload": ("nothing", "partial"),
    "readfile_order": ("ok_first", "result_first"),
    "mqtt_order": ("ok_first", "result_first"),
}


class ProfileError(VboardError):
    """A modem profile holds something that is not a knob or not a valid value."""


@dataclass(frozen=True, kw_only=True)
class ModemProfile:
    """The knobs of the emulated modem."""

    # Identity (AT manual chapter 2).
    model: str = "SIMCOM_SIM7600E-H"
    revision: str = "LE20B04SIM7600G22"
    imei: str = "867648040000015"

    # Start-up. UART is dead for boot_ms after power-on, CRESET or CFUN=6.
    boot_ms: int = 12_000
    boot_urcs: tuple[tuple[int, str], ...] = (
        (0, "RDY"),
        (600, "+CPIN: READY"),
        (3_000, "SMS DONE"),
        (5_000, "PB DONE"),
    )
    auto_on: bool = True  # boots when supplied, without a PWRKEY pulse
    power_returns: bool = False  # board that powers on again after CPOF
    pwrkey_on_ms: int = 500
    pwrkey_off_ms: int = 2_500
    shutdown_ms: int = 2_000  # CPOF/CRESET/PWRKEY: OK until the UART is dead

    # Serial port (UART application note).
    baud: int = 115_200  # factory IPREX
    rates: tuple[int, ...] = (
        300,
        600,
        1_200,
        2_400,
        4_800,
        9_600,
        19_200,
        38_400,
        57_600,
        115_200,
        230_400,
        460_800,
        921_600,
        3_000_000,
        3_200_000,
        3_686_400,
    )
    baud_tolerance: float = 0.03
    latency_ms: tuple[int, int] = (5, 30)  # per AT command, seeded
    rx_fifo: int = 512
    rx_ready_below: int = 64  # flow control: not ready at this fill
    rx_drain: int = 8_000  # FIFO emptying without RTS/CTS in data mode
    rx_drain_flow: int = 500_000  # with AT+IFC=2,2
    max_line: int = 559
    max_chained: int = 39
    cmee: int = 1
    catr: int = 0

    # Storage: drives and capacity.
    has_C: bool = True
    has_D: bool = False
    has_E: bool = True
    has_F: bool = True
    size_C: int = 11_348_480
    size_D: int = 1024 * MIB
    size_E: int = 64 * MIB
    size_F: int = 32 * MIB
    start_dir: str = "C:/"
    overwrite: str = "truncate"  # CFTRANRX/HTTPREADFILE on an existing file
    full: str = "prompt"  # no space: ERROR at once, or after the data
    aborted_upload: str = "nothing"  # what a reset in CFTRANRX leaves behind
    commit_ms: int = 20  # last data byte until OK ...
    commit_rate: int = 10_000_000  # ... plus size / this

    # AT+CFTRANTX.
    block: int = 512
    block_gap_us: int = 50
    length_format: str = "%d"
    data_crlf: bool = True  # CRLF after the data, before the next line's own
    leading_ok: bool = False
    past_end: str = "empty"  # location >= size: "+CFTRANTX: 0", or ERROR
    clip_at_end: bool = True  # location + size > file size: clip, or ERROR
    catr_blocks: int = 0  # > 0: stops after so many blocks unless CATR=1
    prompt_space: bool = False
    fsls_colon: bool = True

    # Network.
    sim: str = "READY"  # "", "SIM PIN": see AT+CPIN?
    pin: str = "1234"
    registered: int = 1  # stat of CREG/CGREG/CEREG
    rssi: int = 23
    netopen_ms: int = 1_500  # also NETCLOSE and CNTP
    network_time: int = 1_767_225_600  # NTP answer at clock 0: 2026-01-01 UTC
    address: str = "10.23.4.5"
    # Where names lead, beside the host's own: "NAME:PORT=HOST:PORT;..."
    routes: str = ""

    # HTTP and MQTT: simulated duration is wait + bytes / rate.
    http_wait_ms: int = 800
    http_rate: int = 500_000
    http_block: int = 1_024
    readfile_order: str = "ok_first"
    mqtt_order: str = "ok_first"
    mqtt_wait_ms: int = 400
    mqtt_fragment: int = 1_500

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ProfileError(
                    f"modem profile: expected {name} to be one of "
                    f"{', '.join(map(repr, allowed))}, got {value!r}"
                )
        self.route("", 0)  # its syntax
        if self.baud not in self.rates:
            raise ProfileError(
                f"modem profile: expected baud to be one of the rates, got {self.baud}"
            )
        for name in ("block", "rx_fifo", "rx_drain", "rx_drain_flow", "http_rate"):
            if getattr(self, name) < 1:
                raise ProfileError(
                    f"modem profile: expected {name} to be at least 1, "
                    f"got {getattr(self, name)}"
                )

    def route(self, host: str, port: int) -> tuple[str, int]:
        """Where a connection to this name and port really goes."""
        for item in filter(None, (text.strip() for text in self.routes.split(";"))):
            found = _ROUTE.fullmatch(item)
            if found is None:
                raise ProfileError(
                    f"modem profile: expected routes like NAME:PORT=HOST:PORT;..., "
                    f"got {item!r}"
                )
            if (found[1].lower(), int(found[2])) == (host.lower(), port):
                host, port = found[3], int(found[4])
                break
        return host, port

    def with_knobs(self, knobs: dict[str, Any]) -> ModemProfile:
        """A copy with some knobs changed; names and types are checked."""
        fields = {field.name: field for field in dataclasses.fields(self)}
        changed: dict[str, Any] = {}
        for name, value in knobs.items():
            if name not in fields:
                raise ProfileError(f"modem profile: no knob is called {name!r}")
            changed[name] = _convert(name, value, getattr(self, name))
        return dataclasses.replace(self, **changed)


def _convert(name: str, value: Any, present: Any) -> Any:
    """`value`, from JSON or a command line, as the type of `present`."""
    if isinstance(present, bool):
        words = {"true": True, "1": True, "false": False, "0": False}
        result = words.get(str(value).lower())
        if result is not None:
            return result
    elif isinstance(present, (int, float)):
        try:
            return type(present)(value)
        except (TypeError, ValueError):
            pass
    elif isinstance(present, str):
        if isinstance(value, str):
            return value
    elif name == "boot_urcs" and isinstance(value, list):
        return tuple((int(ms), str(text)) for ms, text in value)
    else:
        items = value.split("-") if isinstance(value, str) else value
        try:
            return tuple(int(item) for item in items)
        except (TypeError, ValueError):
            pass
    raise ProfileError(
        f"modem profile: expected {name} like {present!r}, got {value!r}"
    )


def load_profile(text: str, base: ModemProfile | None = None) -> ModemProfile:
    """A profile from a JSON file's name or from `knob=value,knob=value`.

    Knobs that are not named stay as in `base`.
    """
    base = base or ModemProfile()
    if "=" not in text:
        try:
            knobs = json.loads(Path(text).read_text(encoding="utf-8"))
        except OSError as error:
            raise ProfileError(
                f"modem profile: expected a JSON file or knob=value, got {text!r} "
                f"({error.strerror})"
            ) from None
        except ValueError as error:
            raise ProfileError(f"modem profile {text}: not JSON: {error}") from None
        if not isinstance(knobs, dict):
            raise ProfileError(f"modem profile {text}: expected a JSON object")
        return base.with_knobs(knobs)
    pairs: dict[str, Any] = {}
    for item in text.split(","):
        name, equals, value = item.partition("=")
        if not equals:
            raise ProfileError(f"modem profile: expected knob=value, got {item!r}")
        pairs[name.strip()] = value
    return base.with_knobs(pairs)
