# SPDX-License-Identifier: Apache-2.0
"""The first half of a publication: the file goes up and is fetched back."""

from __future__ import annotations

import hashlib

from nrfota.cloud.fetch import Checked, expires_at, shown
from nrfota.cloud.publish_parts import Options, Ports, View
from nrfota.cloud.publish_plan import Plan
from nrfota.cloud.publish_state import State, StateFiles
from nrfota.cloud.stores import Upload, upload
from nrfota.errors import OtaError


def upload_all(
    plan: Plan,
    *,
    options: Options,
    ports: Ports,
    view: View,
    memory: tuple[State, StateFiles],
) -> None:
    """Uploads what the state does not know of yet; raises OtaError."""
    if not options.upload:
        return
    state, files = memory
    digest = hashlib.sha256(plan.ebin).hexdigest()
    for target in plan.targets:
        store = ports.open_store(target.place)
        where = store.where(target.name)
        if state.uploads.get(where) == digest:
            view.note(f"{where} was uploaded before")
            continue
        view.step(f"uploading to {where}")
        done = upload(store, target.name, plan.ebin, force=options.force)
        if done is not Upload.STORED:
            view.note(f"{where}: {done}")
        state.uploads[where] = digest
        files.save(state)


def check_all(
    plan: Plan, *, options: Options, ports: Ports, view: View
) -> list[Checked]:
    """Fetches every URL; raises the first problem unless one URL is enough."""
    found: list[Checked] = []
    problems: list[OtaError] = []
    for url in plan.urls:
        view.step(f"fetching {shown(url)}")
        try:
            checked = ports.check(url, plan.ebin)
        except OtaError as error:
            problems.append(error)
            if options.allow_one_url:
                view.note(str(error))
            continue
        found.append(checked)
        resumes = (
            "downloads resume by range"
            if checked.ranges
            else "no ranges: a download that stops begins again"
        )
        view.note(f"{checked.size} bytes are right; {resumes}")
        until = expires_at(url)
        if until is not None:
            view.note(f"presigned until {until:%Y-%m-%d %H:%M} UTC")
    if problems and not (options.allow_one_url and found):
        raise problems[0]
    return found
