# SPDX-License-Identifier: Apache-2.0
"""The checker is checked: bootloaders that are broken on purpose are caught."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nrfota.campaign import Maker
from nrfota.campaign_parts import Firmware
from nrfota.runners.campaign import Options, Report, run_campaign
from support.mutants import MUTANTS, firmware, mutant

IMAGE_SIZE = 8192
SEED = 5

# Mutant -> the story in which it shows, how many cuts are tried, and why it is lost.
CAUGHT = {
    "journal_in_place": ("update", 150, "no application|unverified|resets"),
    "commit_before_verify": ("trial-fails", 1, "uncut run"),
    "no_hash_at_start": ("damaged", 1, "unverified code executed"),
    "power_cycles_drain_trial": ("trial-cycles", 1, "uncut run"),
    "copy_without_mark": ("bootloader", 150, "no application|unverified|resets"),
    "older_page_erased_first": ("truncated", 300, "no application|sleeps for ever"),
    "older_version_accepted": ("downgrade-refused", 1, "uncut run"),
    "any_token_confirms": ("stale-confirm", 1, "uncut run"),
    "nothing_protected": ("update", 1, "is not protected"),
    "header_not_compared": ("wrong-header", 1, "uncut run"),
    "key_kept": ("truncated", 1, "key of the update is left in flash"),
    "key_left_in_ram": ("update", 1, "key of the update is in RAM"),
}


def test_every_mutant_has_its_story() -> None:
    """A patch without an expectation would never be tried."""
    assert {path.stem for path in MUTANTS.glob("*.patch")} == set(CAUGHT)


def campaign(images: Firmware, story: str, cuts: int) -> Report:
    maker = Maker(images, seed=SEED)
    (report,) = run_campaign(
        [maker.make(story)],
        Options(cuts=str(cuts), seed=SEED, stop_at=1),
        progress=lambda done, total, lost: None,
    )
    return report


@pytest.mark.slow
@pytest.mark.parametrize("name", CAUGHT)
def test_mutant_is_caught(name: str, tmp_path: Path) -> None:
    """The story that the good bootloader survives is lost by the broken one."""
    story, cuts, why = CAUGHT[name]
    report = campaign(mutant(name, tmp_path, image_size=IMAGE_SIZE), story, cuts)
    assert report.lost, f"the mutant {name} survived"
    assert any(re.search(why, result.lost) for result in report.lost)


@pytest.mark.slow
@pytest.mark.parametrize("story", sorted({story for story, _, _ in CAUGHT.values()}))
def test_the_good_bootloader_survives(story: str) -> None:
    """With the same cuts; otherwise catching a mutant would mean nothing."""
    cuts = max(count for name, count, _ in CAUGHT.values() if name == story)
    assert [r.id for r in campaign(firmware(IMAGE_SIZE), story, cuts).lost] == []
