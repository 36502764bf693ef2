# SPDX-License-Identifier: Apache-2.0
"""`nrfota.cloud.stores`: one suite for S3, Cloud Storage, a folder and HTTP PUT.

moto's server stands in for S3, gcp-storage-emulator for Cloud Storage.
"""

from __future__ import annotations

import base64
import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nrfota.cloud.stores import (
    Store,
    Upload,
    object_name,
    open_store,
    parse_place,
    upload,
)
from nrfota.errors import FormatError, OtaError, UnreachableError, UsageError
from support.clouds import google, moto
from support.pki import Pki
from support.publishing import FileServer

DATA = b"cipher text" * 1000
NAME = "fw_7.ebin"


def folder_store(tmp_path: Path) -> Iterator[str]:
    yield f"file://{tmp_path}/www/fw"


def http_store(tmp_path: Path) -> Iterator[str]:
    with FileServer(tmp_path / "www") as server:
        yield server.url("fw")


def s3_store(tmp_path: Path) -> Iterator[str]:
    import boto3

    with moto():
        boto3.client("s3").create_bucket(Bucket="bucket")
        yield "s3://bucket/fw"


def gcs_store(tmp_path: Path) -> Iterator[str]:
    import google.cloud.storage

    with google_storage():
        google.cloud.storage.Client().create_bucket("bucket")
        yield "gs://bucket/fw"


google_storage = google
MAKERS: dict[str, Callable[[Path], Iterator[str]]] = {
    "folder": folder_store,
    "http": http_store,
    "s3": s3_store,
    "gcs": gcs_store,
}


@pytest.fixture(params=list(MAKERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    for text in MAKERS[request.param](tmp_path):
        yield open_store(parse_place(text), web_ca=None)


def test_a_file_is_stored_once_and_known_again(store: Store) -> None:
    assert store.read(NAME, limit=10) is None
    assert upload(store, NAME, DATA, force=False) is Upload.STORED
    assert store.read(NAME, limit=len(DATA) + 1) == DATA
    assert store.read(NAME, limit=10) == DATA[:10]
    assert upload(store, NAME, DATA, force=False) is Upload.EQUAL


@pytest.mark.parametrize(
    "other", [b"", DATA[:-1], DATA + b"x"], ids=["empty", "shorter", "longer"]
)
def test_another_file_is_overwritten_only_when_asked(
    store: Store, other: bytes
) -> None:
    store.write(NAME, other, new=False)
    with pytest.raises(OtaError, match=f"{NAME} holds another file; .*--force"):
        upload(store, NAME, DATA, force=False)
    assert store.read(NAME, limit=len(DATA) + 2) == other
    assert upload(store, NAME, DATA, force=True) is Upload.REPLACED
    assert store.read(NAME, limit=len(DATA) + 2) == DATA


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    store: Store, request: pytest.FixtureRequest
) -> None:
    if "gcs" in request.node.name:
        pytest.skip("the emulator does not look at if_generation_match")
    store.write(NAME, b"another", new=True)
    with pytest.raises(OtaError, match="appeared meanwhile; run again"):
        store.write(NAME, DATA, new=True)
    assert store.read(NAME, limit=100) == b"another"


def test_the_folder_is_written_whole_and_for_all_readers(tmp_path: Path) -> None:
    store = open_store(parse_place(f"file://{tmp_path}/www"), web_ca=None)
    old = os.umask(0o077)
    try:
        store.write(NAME, DATA, new=True)
    finally:
        os.umask(old)
    path = tmp_path / "www" / NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = open_store(parse_place(f"file://{tmp_path}/file"), web_ca=None)
    with pytest.raises(OtaError, match=r"cannot write '.*': (Not a dir|File exists)"):
        store.write(NAME, DATA, new=True)
    with pytest.raises(OtaError, match=r"cannot read '.*': Not a directory"):
        store.read(NAME, limit=1)


def test_s3_sets_the_content_type(tmp_path: Path) -> None:
    import boto3

    for text in s3_store(tmp_path):
        open_store(parse_place(text), web_ca=None).write(NAME, DATA, new=True)
        found = boto3.client("s3").head_object(Bucket="bucket", Key=f"fw/{NAME}")
        assert found["ContentType"] == "application/octet-stream"


def test_a_missing_bucket_is_told(tmp_path: Path) -> None:
    with moto():
        store = open_store(parse_place("s3://nobody"), web_ca=None)
        with pytest.raises(
            OtaError, match=r"AWS refused writing s3://nobody/.* \(NoSuchBucket: "
        ):
            store.write(NAME, DATA, new=True)
    with google_storage():
        store = open_store(parse_place("gs://nobody"), web_ca=None)
        with pytest.raises(OtaError, match="there is no bucket gs://nobody"):
            store.write(NAME, DATA, new=True)


def test_a_store_that_does_not_answer_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nrfota.cloud.stores import gcs

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setattr(gcs, "PATIENCE_S", 0.01)
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{address}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_MAX_ATTEMPTS": "1",
        "STORAGE_EMULATOR_HOST": f"http://{address}",
    }.items():
        monkeypatch.setenv(name, value)
    for text, message in (
        ("s3://bucket", "AWS cannot be reached for reading s3://bucket/"),
        ("gs://bucket", "Cloud Storage cannot be reached for reading gs://bucket/"),
        (f"http://{address}/fw", f"cannot reach http://{address}/fw/"),
    ):
        store = open_store(parse_place(text), web_ca=None)
        with pytest.raises(UnreachableError, match=message):
            store.read(NAME, limit=1)


def test_missing_credentials_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "STORAGE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    store = open_store(parse_place("s3://bucket"), web_ca=None)
    with pytest.raises(UnreachableError, match="no AWS credentials for reading s3:"):
        store.read(NAME, limit=1)
    with pytest.raises(UnreachableError, match="no Google credentials for gs://b"):
        open_store(parse_place("gs://bucket"), web_ca=None)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (302, "expected no redirect, got 302; give --to where it leads"),
        (403, r"lets nobody in \(403\); ~/.netrc is read"),
        (405, "the server refused the upload with 405"),
        (507, "the server refused the upload with 507"),
    ],
)
def test_a_server_that_takes_no_files_is_told(
    tmp_path: Path, status: int, message: str
) -> None:
    with FileServer(tmp_path) as server:
        server.faults.put_status = status
        store = open_store(parse_place(server.url("fw")), web_ca=None)
        with pytest.raises(OtaError, match=message):
            store.write(NAME, DATA, new=True)


def test_a_server_that_breaks_on_reading_is_told(tmp_path: Path) -> None:
    with FileServer(tmp_path) as server:
        server.faults.status[f"/fw/{NAME}"] = 500
        store = open_store(parse_place(server.url("fw")), web_ca=None)
        with pytest.raises(OtaError, match="expected 200 or 404, got 500"):
            store.read(NAME, limit=1)


def test_a_password_comes_from_netrc_and_goes_over_https_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login me password secret\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    pki = Pki(tmp_path / "pki")
    identity = pki.server("web")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    with (
        FileServer(tmp_path / "a", context=context) as secure,
        FileServer(tmp_path / "b") as plain,
    ):
        for server in (secure, plain):
            place = parse_place(server.url("fw"))
            open_store(place, web_ca=pki.ca).write(NAME, DATA, new=True)
        word = base64.b64encode(b"me:secret").decode()
        assert secure.authorization == [f"Basic {word}"]
        assert plain.authorization == [None]
        path.write_text("machine x login y nonsense z\n")
        with pytest.raises(FormatError, match=r"not readable as \.netrc"):
            open_store(parse_place(secure.url("fw")), web_ca=pki.ca).read(NAME, limit=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/srv/www", "--to: expected s3://BUCKET/PREFIX"),
        ("ftp://host/x", "--to: expected s3://BUCKET/PREFIX"),
        ("s3:///x", "expected a bucket or host"),
        ("file://srv/www", "expected file:///FOLDER"),
        ("https://me:secret@host/x", "expected no user or password in the address"),
        ("https://host/x?y=secret", "expected no '\\?' or '#' in"),
    ],
    ids=["no_scheme", "ftp", "no_bucket", "host_in_file", "password", "query"],
)
def test_a_bad_place_is_a_usage_error(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_place(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ("s3://b/fw", "https://b.s3.eu-central-1.amazonaws.com/fw/a.ebin?X-Amz-Date=1"),
        ("s3://b/fw", "https://s3.eu-central-1.amazonaws.com/b/fw/a.ebin"),
        ("s3://b/fw", "https://cdn.example.com/a.ebin"),
        ("s3://b/fw/a.ebin", "https://b.s3.amazonaws.com/fw/a.ebin"),
        ("s3://b", "https://b.s3.amazonaws.com/a.ebin"),
        ("gs://b/fw", "https://storage.googleapis.com/b/fw/a.ebin"),
        ("gs://b/fw/", "https://b.storage.googleapis.com/fw/a.ebin"),
        ("file:///srv/www", "https://example.com/any/a.ebin"),
        ("http://host/put", "http://host/get/a.ebin"),
    ],
)
def test_the_name_is_what_the_url_ends_with(place: str, url: str) -> None:
    assert object_name(parse_place(place), url) == "a.ebin"


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ("s3://b/fw", "https://other.s3.eu-central-1.amazonaws.com/fw/a.ebin"),
        ("s3://b/fw", "https://b.s3.eu-central-1.amazonaws.com/a.ebin?X-Amz-Date=1"),
        ("s3://b/fw", "https://s3.amazonaws.com/other/fw/a.ebin"),
        ("s3://b/fw/b.ebin", "https://cdn.example.com/a.ebin"),
        ("gs://b/fw", "https://storage.googleapis.com/other/fw/a.ebin"),
        ("gs://b/fw", "https://other.storage.googleapis.com/fw/a.ebin"),
        ("file:///srv/b.ebin", "https://example.com/a.ebin"),
    ],
    ids=[
        *("bucket", "prefix", "path_style", "name", "gcs_bucket", "gcs_host", "folder"),
    ],
)
def test_a_place_that_the_url_does_not_show_is_refused(place: str, url: str) -> None:
    with pytest.raises(UsageError, match="would not be found at the URL") as caught:
        object_name(parse_place(place), url)
    assert place in str(caught.value)
    assert url.partition("?")[0] in str(caught.value)


def test_a_url_without_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a URL that ends with an object's"):
        object_name(parse_place("file:///srv"), "https://example.com/fw/")
