# SPDX-License-Identifier: Apache-2.0
"""The modem's faults by name, and what a case's fault text means.

A text is a fault plan (`vboard.modem.faults`), in which `profile:knob=value` sets a
knob of the modem (`vboard.modem.profile`) instead:

    flipbyte:command=CFTRANTX,nth=2,offset=17
    profile:length_format=%03d; urc:where=before_block,times=0

A fault is *passing* when the run must end as if it had not been: one bad moment must
not cost an update.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from vboard.modem.faults import FaultPlan
from vboard.modem.profile import ModemProfile

_READ = "command=CFTRANTX,nth={n}"
_BLOCK = 512  # bytes of file data in one block


@dataclass(frozen=True)
class NamedFault:
    """A fault; `{n}` becomes an occurrence, `{offset}` a byte in a block."""

    text: str
    passing: bool = True


FAULTS: dict[str, NamedFault] = {
    "late-file": NamedFault("missingfile:command=FSATTRI,times=2"),
    "missing-file": NamedFault("missingfile:command=FSATTRI,times=0", passing=False),
    "late-drive": NamedFault("nodrive:drive=E,times=2"),
    "no-drive": NamedFault("nodrive:drive=E,times=0", passing=False),
    "short-read": NamedFault(f"shortread:{_READ},missing=16"),
    "flipped-byte": NamedFault(f"flipbyte:{_READ},offset={{offset}},mask=0x40"),
    "lost-byte": NamedFault(f"dropbyte:{_READ},offset={{offset}}"),
    "doubled-byte": NamedFault(f"duplicatebyte:{_READ},offset={{offset}}"),
    "stalled": NamedFault(f"stall:{_READ},ms=20000,offset={{offset}}"),
    "stopped": NamedFault(f"stopbeforeblock:{_READ}"),
    "rebooting": NamedFault(f"rebootinblock:{_READ},offset={{offset}}"),
    "rebooting-at-command": NamedFault(f"reboot:{_READ}"),
    "garbled-header": NamedFault(f"garbleheader:{_READ}"),
    "refused": NamedFault(f"overridereply:{_READ},reply=ERROR"),
    "silent": NamedFault(f"silence:{_READ}"),
    "slow": NamedFault(f"delay:{_READ},ms=1500"),
    "urc-storm": NamedFault(
        "urc:command=CFTRANTX,times=0,count=10,where=before_block,text=+CREG: 1;"
        "urc:times=0,count=3,where=before_result,text=+CGREG: 5"
    ),
    "urc-in-data": NamedFault(
        f"urc:{_READ},where=in_data,offset={{offset}},text=+CMTI: 1"
    ),
    "length-with-space": NamedFault("profile:length_format= %d"),
    "length-with-zeros": NamedFault("profile:length_format=%03d"),
    "ok-first": NamedFault("profile:leading_ok=1"),
    "dead-for-minutes": NamedFault(f"dead:{_READ},ms=300000"),
    "dead-at-once": NamedFault("dead:command=*,nth={first},ms=120000"),
    "in-pieces": NamedFault("splitevery:size=7,gap_us=2000"),
}


@dataclass(frozen=True)
class ModemFaults:
    """A fault text, understood. `knobs`: how many of the profile's it sets."""

    plan: FaultPlan
    profile: ModemProfile
    knobs: int


def parse_faults(text: str) -> ModemFaults:
    """What `text` says; FaultError or ProfileError when it is not understood."""
    items = [item.strip() for item in text.split(";") if item.strip()]
    head = "profile:"
    knobs: dict[str, object] = {}
    for item in items:
        if item.startswith(head):
            name, _, value = item[len(head) :].partition("=")
            knobs[name] = value
    plan = ";".join(item for item in items if not item.startswith(head))
    return ModemFaults(
        plan=FaultPlan.parse(plan),
        profile=ModemProfile().with_knobs(knobs),
        knobs=len(knobs),
    )


def fault_text(name: str, *, commands: Mapping[str, int], seed: int) -> str | None:
    """The text of the fault called `name` in a run that used these commands.

    The occurrence is chosen by `seed`; None when such a run never comes to it.
    """
    fault = FAULTS[name]
    rng = random.Random(f"{seed}:{name}:{sorted(commands.items())}")
    reads = commands.get("CFTRANTX", 0)
    if not commands or ("CFTRANTX" in fault.text and not reads):
        return None
    if fault.text.startswith("profile:") and not reads:
        return None
    return fault.text.format(
        n=rng.randint(1, max(1, reads)),
        first=rng.randint(1, 3),
        offset=rng.choice((0, 1, 2, 15, 16, 111, 112, _BLOCK - 1))
        if reads > 2
        else rng.randrange(16),
    )


def is_passing(text: str) -> bool:
    """Whether a run with this fault must end as if it had not been.

    Of a text that is none of ours nothing is known: False.
    """
    if not text:
        return True
    for fault in FAULTS.values():
        pattern = re.sub(r"\\{\w+\\}", r"\\d+", re.escape(fault.text))
        if re.fullmatch(pattern, text):
            return fault.passing
    return False
