# SPDX-License-Identifier: Apache-2.0
"""Staging against the emulated SIM7600E when things go wrong, in simulated time."""

from __future__ import annotations

import functools
import random
from pathlib import Path

import pytest
from nrfota.runners import RunnerOptions
from nrfota.runners.sim import SimRunner
from nrfota.stage import StageOptions, stage
from vboard.modem.faults import FaultPlan
from vboard.modem.sim7600 import Sim7600

DATA = random.Random(11).randbytes(40_000)


@pytest.mark.parametrize(
    "plan",
    [
        "rebootinupload:offset=20000",
        "reboot:command=FSATTRI,nth=2",
        "rebootinblock:command=CFTRANTX,nth=9,offset=100",
        "stall:command=CFTRANTX,nth=3,ms=40000",
        "shortread:command=CFTRANTX,nth=2,missing=7",
        "garbleheader:command=CFTRANTX,nth=5",
        "stopbeforeblock:command=CFTRANTX,nth=4",
        "silence:command=CFTRANTX,nth=1",
        "delay:command=CFTRANRX,ms=2000",
        "dead:command=FSMEM,nth=1,ms=20000",
    ],
    ids=lambda plan: plan.split(":")[0],
)
def test_the_file_gets_there_in_spite_of(
    plan: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = FaultPlan.parse(plan)
    monkeypatch.setattr(
        "vboard.modem.sim7600.Sim7600", functools.partial(Sim7600, faults=faults)
    )
    options = RunnerOptions(sim_dir=tmp_path, board="nrf52840dk_sim7600e")
    link = SimRunner(options).modem_link()
    staged = stage(DATA, link, name="fw.ebin", options=StageOptions())
    assert (tmp_path / f"modem/{staged.path[0]}/fw.ebin").read_bytes() == DATA
    assert all(fault.fired for fault in faults.faults)
