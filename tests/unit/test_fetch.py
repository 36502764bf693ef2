# SPDX-License-Identifier: Apache-2.0
"""`nrfota.cloud.fetch`: files are fetched back as the modem would."""

from __future__ import annotations

import random
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from nrfota.cloud.fetch import Checked, check_url, expires_at, shown, web_context
from nrfota.errors import OtaError, UnreachableError, UsageError, VerifyError
from support.pki import Pki
from support.publishing import FileServer

DATA = random.Random(1).randbytes(150_000)  # more than one part of 131,072 bytes


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    with FileServer(tmp_path / "www") as server:
        (server.folder / "fw.ebin").write_bytes(DATA)
        yield server


def check(url: str, *, want: bytes = DATA, web_ca: Path | None = None) -> Checked:
    return check_url(url, want=want, context=web_context(web_ca))


def test_right_bytes_and_ranges_are_told(server: FileServer) -> None:
    checked = check(server.url("fw.ebin?token=secret"))
    assert (checked.size, checked.ranges) == (len(DATA), True)


def test_a_server_without_ranges_is_told(server: FileServer) -> None:
    server.faults.no_ranges = True
    assert not check(server.url("fw.ebin")).ranges


def test_a_chunked_file_is_read(server: FileServer) -> None:
    server.faults.no_ranges = server.faults.chunked = True
    assert check(server.url("fw.ebin")).size == len(DATA)


def test_a_small_file_is_asked_for_its_second_half(server: FileServer) -> None:
    (server.folder / "fw.ebin").write_bytes(DATA[:1000])
    assert check(server.url("fw.ebin"), want=DATA[:1000]).ranges


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (DATA[:-1], f"expected {len(DATA)} bytes, got {len(DATA) - 1}"),
        (DATA + b"x", f"expected {len(DATA)} bytes, got more"),
        (DATA[:-1] + b"x", r"expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}"),
        (b"", f"expected {len(DATA)} bytes, got 0"),
    ],
    ids=["truncated", "longer", "another_byte", "empty"],
)
def test_other_bytes_do_not_verify(
    server: FileServer, content: bytes, message: str
) -> None:
    (server.folder / "fw.ebin").write_bytes(content)
    with pytest.raises(VerifyError, match=message) as caught:
        check(server.url("fw.ebin"))
    assert caught.value.exit_code == 3


def test_a_redirect_is_an_error_that_says_so(server: FileServer) -> None:
    server.faults.redirect.add("/fw.ebin")
    with pytest.raises(
        VerifyError, match=r"got a redirect \(302\) to .*; the modem follows none"
    ) as caught:
        check(server.url("fw.ebin"))
    assert "token" not in str(caught.value)


def test_a_missing_file_is_told_with_its_status(server: FileServer) -> None:
    with pytest.raises(VerifyError, match="expected status 200, got 404"):
        check(server.url("nothing.ebin"))


def test_wrong_bytes_of_a_range_do_not_verify(server: FileServer) -> None:
    server.faults.bad_range = True
    with pytest.raises(VerifyError, match="from byte 131072 on, got"):
        check(server.url("fw.ebin"))


def test_a_packed_file_does_not_verify(server: FileServer) -> None:
    server.faults.gzip = True
    with pytest.raises(VerifyError, match="got Content-Encoding gzip"):
        check(server.url("fw.ebin"))


def test_nobody_at_the_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachableError, match="connection refused") as caught:
        check(f"http://127.0.0.1:{port}/fw.ebin?token=secret")
    assert caught.value.exit_code == 4
    assert "secret" not in str(caught.value)


def test_a_server_of_another_protocol_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 ftp ready\r\n")
                connection.recv(1000)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        with pytest.raises(UnreachableError, match="does not speak HTTP"):
            check(f"http://127.0.0.1:{port}/fw.ebin")
        thread.join()


def test_a_connection_that_breaks_in_the_middle_is_short(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def half() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
                )

        thread = threading.Thread(target=half, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        with pytest.raises(VerifyError, match="expected 100 bytes, got 4"):
            check(f"http://127.0.0.1:{port}/fw.ebin", want=bytes(100))
        thread.join()


def test_a_server_that_takes_for_ever_is_given_up(server: FileServer) -> None:
    with pytest.raises(UnreachableError, match="no answer in time"):
        check_url(
            server.url("fw.ebin"), want=DATA, context=web_context(None), total_s=-1
        )


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[FileServer, Pki]]:
    pki = Pki(tmp_path / "pki")
    identity = pki.server("web")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    with FileServer(tmp_path / "www", context=context) as server:
        (server.folder / "fw.ebin").write_bytes(DATA)
        yield server, pki


def test_https_is_verified_with_the_authority_given(
    secure: tuple[FileServer, Pki],
) -> None:
    server, pki = secure
    assert check(server.url("fw.ebin"), web_ca=pki.ca).ranges


def test_https_of_an_unknown_authority_is_refused(
    secure: tuple[FileServer, Pki],
) -> None:
    with pytest.raises(UnreachableError, match="its certificate does not verify"):
        check(secure[0].url("fw.ebin"))


def test_an_authority_must_be_pem(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no")
    with pytest.raises(UsageError, match="expected certificates as PEM"):
        web_context(tmp_path / "ca.pem")
    with pytest.raises(UsageError, match=r"cannot read '.*none\.pem': No such file"):
        web_context(tmp_path / "none.pem")


@pytest.mark.parametrize("url", ["http://h:99999/x", "http://:80/x"])
def test_a_url_without_a_usable_host_is_refused(url: str) -> None:
    with pytest.raises(OtaError, match="expected a host and a port 1 to 65535"):
        check(url)


def test_a_presigned_url_is_shown_without_its_query() -> None:
    url = "https://user:pw@b.s3.amazonaws.com/k.ebin?X-Amz-Signature=secret"
    assert shown(url) == "https://b.s3.amazonaws.com/k.ebin?..."


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("X-Amz-Date=20300101T120000Z&X-Amz-Expires=3600", "2030-01-01T13:00:00+00:00"),
        ("X-Goog-Date=20300101T120000Z&X-Goog-Expires=60", "2030-01-01T12:01:00+00:00"),
        ("Signature=x&Expires=1893456000", "2030-01-01T00:00:00+00:00"),
        ("Signature=x&Expires=soon", None),
        ("X-Amz-Date=today&X-Amz-Expires=60", None),
        ("X-Amz-Date=20300101T120000Z&X-Amz-Expires=9" + "9" * 30, None),
        ("X-Amz-Date=20300101T120000Z", None),
        ("", None),
    ],
    ids=[
        "aws",
        "google",
        "older",
        "bad_older",
        "bad_date",
        "for_ever",
        "no_seconds",
        "plain",
    ],
)
def test_the_end_of_a_presigned_url_is_known(query: str, expected: str | None) -> None:
    found = expires_at(f"https://example.com/fw.ebin?{query}")
    assert (found.isoformat() if found else None) == expected
