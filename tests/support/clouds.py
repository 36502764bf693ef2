# SPDX-License-Identifier: Apache-2.0
"""Stand-ins on loopback: moto's server for AWS, gcp-storage-emulator for Google.

with moto() as server:
    boto3.client("s3").create_bucket(Bucket="bucket")
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

REGION = "us-east-1"
ACCOUNT = "123456789012"


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """Yields its address; boto3 clients made meanwhile talk to it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    names = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        with mock.patch.dict(os.environ, names):
            reset(address)
            yield address
    finally:
        server.stop()


def reset(address: str) -> None:
    """Forgets everything."""
    import urllib.request

    request = urllib.request.Request(f"{address}/moto-api/reset", method="POST")
    with urllib.request.urlopen(request, timeout=20):
        pass


@contextlib.contextmanager
def google() -> Iterator[str]:
    """Yields its address; Cloud Storage clients made meanwhile talk to it."""
    from gcp_storage_emulator.server import create_server

    server: Any = create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    port = server._api._httpd.server_address[1]
    address = f"http://127.0.0.1:{port}"
    names = {"STORAGE_EMULATOR_HOST": address, "GOOGLE_CLOUD_PROJECT": "test"}
    try:
        with mock.patch.dict(os.environ, names):
            yield address
    finally:
        server.stop()
