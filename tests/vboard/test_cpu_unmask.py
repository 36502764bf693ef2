# SPDX-License-Identifier: Apache-2.0
"""Where instructions that lower an interrupt mask are found."""

import random
import re

import pytest
from vboard.cpu_unmask import unmasking

# The plain way: a look-ahead at every byte.
PLAIN = re.compile(rb"(?=([\x61-\x63]\xb6|[\x80-\x8f]\xf3[\x10-\x13]\x88))", re.DOTALL)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        pytest.param(b"\x62\xb6", [(0, 2)], id="cpsie_i"),
        pytest.param(b"\x00\xbf\x61\xb6", [(2, 2)], id="cpsie_f"),
        pytest.param(b"\x72\xb6", [], id="cpsid_i"),
        pytest.param(b"\x80\xf3\x10\x88", [(0, 4)], id="msr_primask"),
        pytest.param(b"\x80\xf3\x14\x88", [], id="msr_control"),
        pytest.param(b"\x81\xf3\x11\x88\xf3\x12\x88", [(0, 4), (3, 4)], id="overlap"),
        pytest.param(b"\xb6\xf3\x10\x88", [], id="first_byte_missing"),
        pytest.param(b"\x80\xf3\x10", [], id="last_byte_missing"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_unmasking_instructions_are_found(code, found):
    """CPSIE and MSR to a mask register, with offset and length."""
    assert found == sorted(unmasking(code))


def test_the_search_finds_what_a_plain_pattern_finds():
    """In bytes that are made of the pattern's own, where matches overlap."""
    rng = random.Random(1)
    parts = bytes.fromhex("61 62 63 b6 80 81 8f f3 10 13 88 00 bf")
    code = bytes(rng.choice(parts) for _ in range(50_000))
    plain = [(match.start(), len(match[1])) for match in PLAIN.finditer(code)]
    assert len(plain) > 100
    assert plain == sorted(unmasking(code))
