# SPDX-License-Identifier: Apache-2.0
"""What a campaign needs to know: raw bytes, and what may be true at the end.

Rule 1: nothing here knows a format of the firmware under test; a scenario is bytes
        in flash, files in the modem, bytes in RAM, and images by address and hash.
Rule 2: first the scenario runs uncut; every case starts from a cut of that run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Image:
    """Bytes of flash that may be executed; `console` is what shows that they run."""

    name: str
    start: int
    size: int
    sha256: bytes
    console: bytes = b""

    @classmethod
    def of(cls, name: str, start: int, data: bytes, *, console: bytes = b"") -> Image:
        """The image that `data` at `start` is."""
        digest = hashlib.sha256(data).digest()
        return cls(
            name=name, start=start, size=len(data), sha256=digest, console=console
        )


@dataclass(frozen=True, kw_only=True)
class Region:
    """A range of flash in which only `images` may ever be executed (maybe none)."""

    name: str
    start: int
    size: int
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Protected:
    """Flash whose pages have these ACL bits when an application starts.

    `perm` is as in ACL[n].PERM: 2 no writing or erasing, 4 no reading.
    """

    name: str
    start: int
    size: int
    perm: int


@dataclass(frozen=True, kw_only=True)
class Secret:
    """Bytes that must be gone from flash, unless the outcome is one of `kept_with`.

    They must not be in RAM when an application starts, whatever the outcome.
    """

    name: str
    data: bytes = field(repr=False)
    kept_with: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Limits of one recovery, from power-on to an application that runs.

    `time_s` is four times as long when the modem has faults.
    `settle_ms`: an application that ran for so long without a reset has settled.
    `page_wear`: erases of any page in the whole case, the cut run included.
    """

    resets: int = 20
    time_s: int = 900
    settle_ms: int = 1500
    page_wear: int = 24


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One story. `outcomes`: label -> names of the images that ran last.

    `allowed`: labels a case may end with; `allowed_after`: those it may end with once
    the uncut run has changed the application region (the old image is then gone).
    `faults`: a fault plan (`FaultPlan.parse`) for the modem, in all cases.
    `trial_cycles`: power cycles, each as soon as the application of the first boot
    after the request has started.
    """

    name: str
    flash: tuple[tuple[int, bytes], ...] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    request_address: int
    request: bytes = field(repr=False)
    regions: tuple[Region, ...]
    app_region: str
    outcomes: Mapping[str, frozenset[str]]
    uncut: str
    allowed: frozenset[str]
    allowed_after: frozenset[str]
    secrets: tuple[Secret, ...] = ()
    bounds: Bounds = Bounds()
    faults: str = ""
    trial_cycles: int = 0
    protected: tuple[Protected, ...] = ()
    ram_is_checked: bool = True  # no secret in RAM when an application starts
    console_uart: int = 0
    modem_uart: int = 1
    modem_key: int | None = None  # pin that presses the modem's PWRKEY
    modem_key_high: bool = True

    def region(self, name: str) -> Region:
        """The region of this name."""
        return next(region for region in self.regions if region.name == name)
