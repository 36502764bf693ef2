# SPDX-License-Identifier: Apache-2.0
"""Whatever a host sends, the modem answers the next `AT`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from modem_rig import Host, is_final
from vboard.modem import FaultPlan
from vboard.modem.at import AtError, parse_line
from vboard.modem.faults import FaultError
from vboard.modem.profile import ProfileError, load_profile
from vboard.modem.storage import Storage, StorageError

_NAMES = st.sampled_from(
    [
        *("AT", "CATR", "CFTRANRX", "CFTRANTX", "FSCD", "FSLS", "FSDEL", "FSATTRI"),
        *("FSMEM", "FSCOPY", "FSRENAME", "IFC", "HTTPINIT", "HTTPPARA", "HTTPREAD"),
        *("HTTPDATA", "CSSLCFG", "CCERTDOWN", "CMQTTACCQ", "CMQTTTOPIC", "CCLK"),
        *("CGDCONT", "CPIN", "NETOPEN", "CNTP", "NOSUCH"),
    ]
)
_ARGUMENTS = st.text('0123456789,"?=;+E:/.*abc \\{}-', max_size=20)
_LINES = st.builds(lambda name, rest: f"AT+{name}{rest}", _NAMES, _ARGUMENTS)
_BYTES = st.lists(
    st.one_of(st.binary(max_size=20), _LINES.map(lambda text: text.encode() + b"\r")),
    max_size=8,
).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(data=_BYTES, split=st.sampled_from([0, 1, 2, 3, 7]))
def test_any_input_leaves_a_modem_that_answers(data, split):
    with tempfile.TemporaryDirectory() as folder:
        host = Host(Path(folder))
        host.put(data, split=split)
        host.run(5_000)
        host.put(b"\r")
        # Ends counted data that was asked for; then every reply is complete.
        for _ in range(20):
            if host.modem.line.mode.name == "COMMAND":
                break
            host.put(bytes(4096), split=256, gap_ns=50_000_000)
            host.run(70_000)
            if host.modem.line.mode.name == "DATA":
                host.modem.power_off()
                host.modem.start_ready()
                host.modem.line.echo = False
        host.put(b"\r")
        host.run(1_000)
        host.put(b"AT+CATR?\r")
        assert is_final(host.run(1_000))


@given(text=st.one_of(st.text(max_size=60), _LINES.map(lambda line: line[2:])))
def test_a_command_line_parses_or_is_an_error(text):
    try:
        calls = parse_line(text, max_chained=39)
    except AtError:
        return
    assert all(call.name == call.name.upper() for call in calls)


@given(text=st.text("ceEfF:/.. \\*ab_", max_size=40))
def test_no_path_leaves_its_drive(text):
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder))
        storage.make_drives("CEF")
        try:
            place = storage.host(storage.normal(text, current="E:/"))
        except StorageError:
            return
        assert place.resolve().is_relative_to(Path(folder).resolve())
        assert place.resolve() != Path(folder).resolve()


@given(text=st.text("stalurcdeop:=,;0123456789 nthms", max_size=40))
def test_fault_plans_and_profiles_are_refused_in_a_sentence(text):
    for parse, error in ((FaultPlan.parse, FaultError), (load_profile, ProfileError)):
        try:
            parse(text)
        except error as refusal:
            assert str(refusal)
