# SPDX-License-Identifier: Apache-2.0
"""Where ota.ebin is put for devices to fetch: S3, Cloud Storage, a folder, HTTP PUT.

Rule 1: the object's name is the one that the URL in ota.json ends with.
Rule 2: other content is not overwritten unless asked; equal content is left alone,
        so that a run that was interrupted goes on.
Rule 3: credentials come from their usual places (environment, profile, ~/.netrc).

    place = parse_place("s3://bucket/fw")
    name = object_name(place, url)
    upload(open_store(place, web_ca=None), name, data, force=False)
"""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from nrfota.cloud.fetch import shown
from nrfota.errors import OtaError, UsageError

CONTENT_TYPE = "application/octet-stream"
SCHEMES = ("s3", "gs", "file", "http", "https")
SUFFIX = ".ebin"
S3_HOST = ".amazonaws.com"
GCS_HOST = "storage.googleapis.com"


class Store(Protocol):
    """A place for objects; both raise OtaError."""

    def where(self, name: str) -> str:
        """The object's address, for messages."""

    def read(self, name: str, *, limit: int) -> bytes | None:
        """At most `limit` bytes of an object; None when there is none."""

    def write(self, name: str, data: bytes, *, new: bool) -> None:
        """Stores an object; `new`: only where none is, as far as the store can."""


class Upload(StrEnum):
    """What an upload came to."""

    STORED = "stored"
    EQUAL = "there already"
    REPLACED = "replaced"


@dataclass(frozen=True)
class Place:
    """A parsed `--to`; `name` is empty unless it ends with an object's name."""

    scheme: str
    host: str  # bucket, or host and port
    prefix: str  # without slashes at its ends
    name: str
    text: str


def parse_place(text: str) -> Place:
    """Checks a `--to`; raises UsageError."""
    parts = urllib.parse.urlsplit(text)
    scheme = parts.scheme.lower()
    if scheme not in SCHEMES:
        raise UsageError(
            "--to: expected s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, file:///FOLDER or "
            f"http(s)://HOST/PATH, got '{shown(text)[:80]}'"
        )
    if "@" in parts.netloc:
        raise UsageError(
            "--to: expected no user or password in the address; put them into ~/.netrc"
        )
    if parts.query or parts.fragment:
        raise UsageError(f"--to: expected no '?' or '#' in '{shown(text)}'")
    if scheme == "file" and (parts.netloc not in ("", "localhost") or not parts.path):
        raise UsageError(f"--to: expected file:///FOLDER, got '{text[:80]}'")
    if scheme != "file" and not parts.netloc:
        raise UsageError(f"--to: expected a bucket or host in '{text[:80]}'")
    path = parts.path
    if scheme in ("file", "http", "https"):
        path = urllib.parse.unquote(path)
    prefix, name = path.strip("/"), ""
    if prefix.endswith(SUFFIX) and not path.endswith("/"):
        prefix, _, name = prefix.rpartition("/")
    return Place(scheme, parts.netloc, prefix, name, text)


def object_name(place: Place, url: str) -> str:
    """The object's name below the prefix; raises UsageError when they disagree."""
    parts = urllib.parse.urlsplit(url)
    path = urllib.parse.unquote(parts.path)
    name = path.rpartition("/")[2]
    if not name or name in (".", ".."):
        raise UsageError(
            f"--to '{place.text}': expected a URL that ends with an object's name, but "
            f"ota.json says '{shown(url)}'"
        )
    key = f"{place.prefix}/{name}" if place.prefix else name
    if (place.name and place.name != name) or not _agrees(place, parts, path, key):
        raise UsageError(
            f"--to '{place.text}' would not be found at the URL in ota.json, "
            f"'{shown(url)}'"
        )
    return name


def _agrees(place: Place, parts: urllib.parse.SplitResult, path: str, key: str) -> bool:
    """Whether a URL of the store itself means this object; other hosts may map."""
    host = (parts.hostname or "").lower()
    if place.scheme == "s3" and host.endswith(S3_HOST) and "s3" in host:
        if host.startswith("s3"):
            return path == f"/{place.host}/{key}"
        return host.startswith(f"{place.host.lower()}.") and path == f"/{key}"
    if place.scheme == "gs" and host.endswith(GCS_HOST):
        if host == GCS_HOST:
            return path == f"/{place.host}/{key}"
        return host == f"{place.host.lower()}.{GCS_HOST}" and path == f"/{key}"
    return True


def open_store(place: Place, *, web_ca: Path | None) -> Store:
    """The store of a place; what it needs is imported here."""
    match place.scheme:
        case "s3":
            from nrfota.cloud.stores.s3 import S3Store

            return S3Store(place.host, place.prefix)
        case "gs":
            from nrfota.cloud.stores.gcs import CloudStorage

            return CloudStorage(place.host, place.prefix)
        case "file":
            from nrfota.cloud.stores.folder import FolderStore

            return FolderStore(Path("/") / place.prefix)
        case _:
            from nrfota.cloud.stores.http_put import HttpStore

            return HttpStore(
                f"{place.scheme}://{place.host}/{place.prefix}", web_ca=web_ca
            )


def upload(store: Store, name: str, data: bytes, *, force: bool) -> Upload:
    """Stores the bytes unless they are there; raises OtaError for other ones."""
    there = store.read(name, limit=len(data) + 1)
    if there == data:
        return Upload.EQUAL
    if there is not None and not force:
        raise OtaError(
            f"{store.where(name)} holds another file; give this one another name, or "
            "--force to overwrite it under devices that may be fetching it"
        )
    store.write(name, data, new=there is None)
    return Upload.STORED if there is None else Upload.REPLACED
