# SPDX-License-Identifier: Apache-2.0
"""A modem that misbehaves at random never costs a device.

Each seed is a handful of modem faults anywhere between the connection and the trial.
A request that is heard of ends with a report, and the next one is taken. One that the
modem acknowledged and then lost is not heard of: an operator sends it again.
OTA_SEEDS=100-199 runs others; a failing seed is in the test's name.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from functools import partial

import pytest
from support.end_to_end import Site
from support.pki import Pki
from vboard.modem import FaultPlan
from vboard.modem import faults as fault

COMMANDS = (
    *(
        "AT",
        "ATE",
        "CATR",
        "CMEE",
        "CEREG",
        "CSQ",
        "CSSLCFG",
        "CMQTTSTART",
        "CMQTTACCQ",
    ),
    *(
        "CMQTTCONNECT",
        "CMQTTSUB",
        "CMQTTTOPIC",
        "CMQTTPAYLOAD",
        "CMQTTPUB",
        "CMQTTDISC",
    ),
    *("CMQTTREL", "CMQTTSTOP", "HTTPINIT", "HTTPPARA", "HTTPACTION", "HTTPREADFILE"),
    *("HTTPTERM", "FSCD", "FSATTRI", "FSDEL", "FSMEM", "CFTRANRX", "CFTRANTX", "*"),
)
LINES = ("RDY", "+CREG: 1", "NO CARRIER", "+HTTP_PEER_CLOSED", "+CMQTTPING: 0,17")
REPLIES = ("ERROR", "+CME ERROR: 100", "OK")
FINAL = ("confirmed", "failed", "rolled_back", "refused")


def seeds() -> list[int]:
    first, _, last = os.environ.get("OTA_SEEDS", "1-4").partition("-")
    return list(range(int(first), int(last or first) + 1))


def make_fault(rng: random.Random) -> fault.Fault:
    """One fault of any kind, somewhere."""
    at = {"command": rng.choice(COMMANDS), "nth": rng.choice((1, 1, 1, 2, 3, 5, 9, 20))}
    ms = rng.choice((200, 1_000, 5_000, 20_000, 120_000))
    offset = rng.randrange(100, 20_000)
    makers: tuple[Callable[[], fault.Fault], ...] = (
        lambda: fault.Delay(**at, ms=ms),
        lambda: fault.OverrideReply(**at, reply=rng.choice(REPLIES)),
        lambda: fault.Silence(**at),
        lambda: fault.Dead(**at, ms=ms),
        lambda: fault.Reboot(**at),
        lambda: fault.RebootLater(**at, after_ms=ms // 50),
        lambda: fault.NetworkLost(**at, ms=ms, mqtt=rng.choice(("nonet", "connlost"))),
        lambda: fault.Urc(**at, text=rng.choice(LINES)),
        lambda: fault.DropByte(stream="tx", offset=offset),
        lambda: fault.FlipByte(stream=rng.choice(("tx", "rx")), offset=offset, mask=4),
        lambda: fault.ShortRead(command="CFTRANTX", nth=at["nth"]),
        lambda: fault.Stall(command="CFTRANTX", nth=at["nth"], ms=ms, offset=10),
    )
    return rng.choice(makers)()


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.mark.parametrize("seed", seeds())
def test_every_request_ends_with_a_report_and_the_next_is_taken(tmp_path, pki, seed):
    rng = random.Random(seed)
    plan = FaultPlan()
    with Site(tmp_path, pki) as site:
        device = site.device(plan=plan, pace=400.0)
        site.connect(device)
        package = site.package(2, name="fw.ebin")
        (site.files.root / "fw.ebin").write_bytes(package.ebin)
        ota = json.loads((package.folder / "ota.json").read_text())
        for _ in range(rng.choice((1, 1, 2, 2, 3))):
            plan.add(make_fault(rng))
        print(f"seed {seed}: {plan.faults}")
        # A fault happens once, so at most as many requests fail as there are faults.
        for number in range(len(plan.faults) + 1):
            if runs(site):
                break
            request = json.dumps(ota | {"id": f"r{number}"})
            before = len(site.told())
            site.operator.publish(site.request_topic, request)
            if site.run(device, partial(heard, site, before), max_s=1_200):
                done = partial(ended, site, before)
                assert site.run(device, done), device.console
        assert runs(site), device.console


def runs(site: Site) -> bool:
    """True when the last report says that version 2 runs."""
    last = site.told()[-1:]
    return bool(last) and last[0]["version"] == 2


def heard(site: Site, before: int) -> bool:
    """True when there is a report since then."""
    return len(site.told()) > before


def ended(site: Site, before: int) -> bool:
    """True when a report since then was somebody's last one."""
    return any(report["stage"] in FINAL for report in site.told()[before:])
