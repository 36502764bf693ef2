# SPDX-License-Identifier: Apache-2.0
"""An update by cloud under random trouble ends in one way, and another one works.

A few cases of `support.chaos`; its long form has as many as one likes.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.chaos import Trouble, World, run_case
from support.cloud import cloud_release

SEED = 1
# Resets and a modem that reboots; a broker that is away and an empty file; a drive that
# is gone, a power cut and a false restart; a dozen hostile answers.
CASES = (0, 1, 9, 11)


@pytest.mark.parametrize("index", CASES)
def test_whatever_happens_the_device_is_well_afterwards(
    tmp_path: Path, index: int
) -> None:
    verdict = run_case(tmp_path, seed=SEED, index=index)
    print(f"python -m support.chaos --only {verdict.name}")
    assert verdict.problems == [], (verdict.what, verdict.console, verdict.log)


def test_the_judge_sees_what_is_wrong(tmp_path: Path) -> None:
    """A key that was left behind, and an update that ended twice."""

    def act(world: World) -> None:
        spy = world.device.modem_dir / "E" / "spy.txt"
        spy.write_bytes(cloud_release(2).fw_info)
        world.broker.reports.append({"id": "r1", "stage": "failed"})

    verdict = run_case(
        tmp_path, seed=SEED, index=0, planned=[Trouble("spy", 40.0, act)]
    )
    assert "key 2 is in the modem's spy.txt" in verdict.problems
    ends = "reported: True, and at the end: ['confirmed', 'failed']"
    assert ends in verdict.problems
