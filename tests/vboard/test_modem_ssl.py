# SPDX-License-Identifier: Apache-2.0
"""SSL contexts and the certificate store."""

from __future__ import annotations

import pytest
from modem_rig import Host, is_final

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
DEFAULT = b'\r\n+CSSLCFG: 0,4,0,1,300,"","","",0,"",0xFFFF\r\n' + OK


def down(host, name, data):
    host.put(f'AT+CCERTDOWN="{name}",{len(data)}\r'.encode())
    host.until(lambda got: got.endswith(b">"))
    host.put(data)
    return host.until(is_final)


def test_the_defaults(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT+CSSLCFG=0") == DEFAULT
    assert host.at("AT+CSSLCFG?").count(b"+CSSLCFG: ") == 10


@pytest.mark.parametrize(
    "setting, shown",
    [
        ('"sslversion",0,3', b"0,3,0,1,300,"),
        ('"authmode",0,2', b"0,4,2,1,300,"),
        ('"ignorelocaltime",0,0', b"0,4,0,0,300,"),
        ('"negotiatetime",0,10', b"0,4,0,1,10,"),
        ('"cacert",0,"ca.pem"', b',"ca.pem","","",0'),
        ('"clientcert",0,"c.pem"', b',"","c.pem","",0'),
        ('"clientkey",0,"k.der"', b',"","","k.der",0'),
        ('"enableSNI",0,1', b'"",1,"",'),
        ('"keypwd",0,"secret"', b',0,"secret",'),
        ('"ciphersuites",0,0x002F', b"0x002F"),
    ],
)
def test_a_setting_is_shown(tmp_path, setting, shown):
    host = Host(tmp_path)
    assert host.at(f"AT+CSSLCFG={setting}") == OK
    assert shown in host.at("AT+CSSLCFG=0")


@pytest.mark.parametrize(
    "setting",
    [
        '"sslversion",0,5',
        '"authmode",10,1',
        '"negotiatetime",0,9',
        '"cacert",0,"ca.txt"',
        '"cacert",0,ca.pem',
        '"cacert",0,"../a.pem"',
        '"ciphersuites",0,0x1234',
        '"nothing",0,1',
        "10",
        '"authmode",0',
    ],
)
def test_a_bad_setting_is_refused(tmp_path, setting):
    host = Host(tmp_path)
    assert host.at(f"AT+CSSLCFG={setting}") == ERROR
    assert host.at("AT+CSSLCFG=0") == DEFAULT


def test_certificates_are_stored_listed_and_deleted(tmp_path):
    host = Host(tmp_path)
    assert host.at("AT+CCERTLIST") == OK
    assert down(host, "ca.pem", b"-----\r\nOK\r\n") == OK
    assert down(host, "key.der", b"\x30\x00") == OK
    assert host.at("AT+CCERTLIST") == (
        b'\r\n+CCERTLIST: "ca.pem"\r\n\r\n+CCERTLIST: "key.der"\r\n' + OK
    )
    assert (tmp_path / "mssl_cert" / "ca.pem").read_bytes() == b"-----\r\nOK\r\n"
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "mssl_cert").iterdir()]
    assert modes == [0o600, 0o600]  # one of them is a private key
    assert host.at('AT+CCERTDELE="ca.pem"') == OK
    assert host.at('AT+CCERTDELE="ca.pem"') == ERROR


@pytest.mark.parametrize(
    "command",
    [
        'AT+CCERTDOWN="ca.pem",0',
        'AT+CCERTDOWN="ca.pem",10241',
        'AT+CCERTDOWN="ca.txt",1',
        'AT+CCERTDOWN="../ca.pem",1',
        "AT+CCERTDOWN=ca.pem,1",
        'AT+CCERTDOWN="ca.pem"',
        "AT+CCERTLIST=1",
        'AT+CCERTDELE="/etc/x.pem"',
    ],
)
def test_refused_with_error(tmp_path, command):
    assert Host(tmp_path).at(command) == ERROR
