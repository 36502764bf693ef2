# SPDX-License-Identifier: Apache-2.0
"""The modem on wires, in simulated time."""

from __future__ import annotations

from modem_rig import Host, blocks


def test_at_answers_ok(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT") == b"\r\nOK\r\n"


def test_upload_and_download_return_the_same_bytes(tmp_path):
    host = Host(tmp_path)
    data = bytes(range(256)) * 5 + b"\r\nOK\r\nERROR\r\n> "
    assert host.upload("E:/fw.ebin", data) == b"\r\nOK\r\n"
    assert (tmp_path / "E" / "fw.ebin").read_bytes() == data
    body, text = blocks(host.at('AT+CFTRANTX="e:/fw.ebin"'))
    assert body == data
    assert text.split() == [b"+CFTRANTX:", b"0", b"OK"]
