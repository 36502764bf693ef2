# SPDX-License-Identifier: Apache-2.0
"""Renders `cloud_config.h`, the firmware's view of a cloud file.

Rule 1: it holds nothing of one device, unless the cloud file is for one device.
Rule 2: with a password it is mode 0600 from its first byte on.
Rule 3: an unchanged file is not touched, so that nothing is built again.

    write_config(cloud, Path("build/generated"))
"""

from __future__ import annotations

import stat
from pathlib import Path

import jinja2

from nrfota.cloud.files import CA_NAME, CERT_NAME, HTTPS_CA_NAME, KEY_NAME
from nrfota.cloud.profile import CloudProfile
from nrfota.errors import BuildError, FormatError
from nrfota.outputs import Output, write_outputs
from nrfota.render import make_environment

NAME = "cloud_config.h"
TEMPLATE = "cloud_config.h.j2"
# In the first lines of what the template makes.
MARK = b"Rendered from a cloud file"


def c_string(text: str) -> str:
    """A C string literal; question marks are escaped, or `??/` is a backslash."""
    if not text.isascii() or not all(char.isprintable() for char in text):
        raise FormatError("expected printable ASCII for a C string, got something else")
    for char in '\\"?':
        text = text.replace(char, "\\" + char)
    return f'"{text}"'


def render_config(cloud: CloudProfile, *, templates: Path | None = None) -> str:
    """The header's text; reads the password when there is one."""
    environment = make_environment(templates)
    environment.filters["c_string"] = c_string
    tls = cloud.tls
    has_key = tls is not None and tls.key is not None
    context = {
        "cloud": cloud,
        "group_topic": cloud.topics.group_request(cloud.group) if cloud.group else "",
        "files": {
            "ca": CA_NAME if tls is not None else "",
            "cert": CERT_NAME if has_key else "",
            "key": KEY_NAME if has_key else "",
            "https_ca": HTTPS_CA_NAME if cloud.https_ca is not None else "",
        },
        "password": cloud.login.password() if cloud.login is not None else "",
    }
    try:
        return environment.get_template(TEMPLATE).render(context)
    except jinja2.TemplateError as error:
        raise BuildError(f"template '{TEMPLATE}': {error}") from None


def write_config(
    cloud: CloudProfile, folder: Path, *, templates: Path | None = None
) -> Path:
    """Writes the header to `folder` when it differs; returns its path."""
    path = folder / NAME
    data = render_config(cloud, templates=templates).encode()
    secret = cloud.login is not None
    if path.is_file() and path.read_bytes() == data:
        closed = not stat.S_IMODE(path.stat().st_mode) & 0o077
        if closed or not secret:
            return path
    write_outputs([Output(path, data, secret=secret)])
    return path


def remove_config(folder: Path) -> None:
    """Removes what an earlier build rendered; a header of somebody else's stays."""
    path = folder / NAME
    if path.is_file() and MARK in path.read_bytes()[:200]:
        path.unlink()
