# SPDX-License-Identifier: Apache-2.0
"""What `west ota-publish` shows: its plan, steps, a live table, the end.

On a terminal the table is drawn by rich and stays in its place; elsewhere (a log
file, CI) a line tells how far the fleet is, at most every ten seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nrfota.cloud.fetch import shown

if TYPE_CHECKING:
    from nrfota.cloud.profile import CloudProfile
    from nrfota.cloud.publish_parts import End
    from nrfota.cloud.publish_plan import Plan
    from nrfota.cloud.rollout import Rollout, Summary

COLUMNS = (
    *("waiting", "published", "accepted", "downloading", "downloaded"),
    *("updating", "interrupted", "confirmed", "already"),
    *("rolled_back", "refused", "failed"),
)
LINE_EVERY_S = 10.0
DRAW_EVERY_S = 0.9


class PublishView:
    """Prints; `quiet` for --json, which has standard output for itself.

    Counting a large fleet takes a while, so it is done no more often than needed.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live: Any = None
        self._last: tuple[Rollout, float, bool] | None = None
        self._said = ""
        self._said_at = -LINE_EVERY_S

    def __enter__(self) -> PublishView:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            if self._last is not None:
                rollout, now, connected = self._last
                self._draw(rollout, now, connected=connected)
            self._live.stop()
            self._live = None

    def step(self, text: str) -> None:
        """A step begins."""
        self._print(f"==> {text}")

    def note(self, text: str) -> None:
        """Something worth knowing inside a step."""
        self._print(f"    {text}")

    def progress(self, rollout: Rollout, now: float, *, connected: bool) -> None:
        """The fleet, now."""
        if self._quiet:
            return
        self._last = (rollout, now, connected)
        at = time.monotonic()
        drawn = sys.stdout.isatty()
        if at - self._said_at < (DRAW_EVERY_S if drawn else LINE_EVERY_S):
            return
        self._said_at = at
        if drawn:
            self._draw(rollout, now, connected=connected)
            return
        text = one_line(rollout.summary(now))
        if not connected:
            text += "; the broker is away"
        if text != self._said:
            self._said = text
            self.note(text)

    def _print(self, text: str) -> None:
        if self._quiet:
            return
        if self._live is not None:
            self._live.console.print(
                text, highlight=False, markup=False, emoji=False, soft_wrap=True
            )
        else:
            print(text, flush=True)

    def _draw(self, rollout: Rollout, now: float, *, connected: bool) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.table import Table

        parts = _parts(rollout, now)
        used = [name for name in COLUMNS if any(s.stages.get(name) for _, s in parts)]
        table = Table(
            "stage",
            "devices",
            *(name.replace("_", " ") for name in used),
            "silent",
            title=None if connected else "the broker is away",
        )
        for name, summary in parts:
            silent = summary.unheard + _silent_failures(summary)
            cells = [str(summary.stages.get(column, "")) for column in used]
            table.add_row(name, str(summary.total), *cells, str(silent or ""))
        for reason, count in sorted(rollout.summary(now).failures.items()):
            table.add_row(f"[red]{reason}[/red]", str(count))
        if self._live is None:
            self._live = Live(table, console=Console(), auto_refresh=False)
            self._live.start()
        self._live.update(table, refresh=True)


def one_line(summary: Summary) -> str:
    """`12 of 100 devices: 3 downloading, 9 confirmed`."""
    words = [
        f"{summary.stages[name]} {name.replace('_', ' ')}"
        for name in COLUMNS
        if summary.stages.get(name)
    ]
    silent = summary.unheard + _silent_failures(summary)
    if silent:
        words.append(f"{silent} silent")
    return f"{summary.settled} of {summary.total} devices settled: {', '.join(words)}"


def plan_lines(plan: Plan, *, cloud: CloudProfile, upload: bool) -> Iterator[str]:
    """`--dry-run`."""
    from nrfota.cloud.publish_plan import Via
    from nrfota.cloud.rollout import ordered, stage_counts

    info = plan.ota.fw_info
    size = len(plan.payload)
    yield f"request {plan.id}: version {info.version}, {len(plan.ebin)} bytes"
    for target in plan.targets if upload else ():
        yield f"upload  {target.place.text} as {target.name}"
    for url in plan.urls:
        yield f"check   {shown(url)}"
    retained = ", retained until the device has finished" if plan.retain else ""
    if plan.via is Via.AWS_JOB:
        yield f"publish an AWS IoT job for {plan.group or len(plan.devices)}"
    elif plan.group:
        yield f"publish once to {plan.group_topic}{retained}"
    else:
        order = ordered(plan.id, plan.devices)
        begin = 0
        for number, count in enumerate(stage_counts(len(order), plan.policy.stages), 1):
            first = ", ".join(order[begin : min(count, begin + 3)])
            more = ", ..." if count - begin > 3 else ""
            many = f"{count - begin} device{'s' if count - begin > 1 else ''}"
            yield f"stage {number}: {many} ({first}{more}){retained}"
            begin = count
    yield f"follow  {plan.topics.report_filter()} on {cloud.operator.host}"
    messages = 1 if plan.group else len(plan.devices)
    yield f"cost    {messages} request{'s' if messages > 1 else ''} of {size} bytes"
    if cloud.profile == "mqtt" or not plan.devices:
        return
    # AWS meters the topic, too.
    metered = size + (len(plan.topic(plan.devices[0])) if cloud.profile == "aws" else 0)
    yield (
        f"        west ota-cost --profile {cloud.profile} --devices "
        f"{len(plan.devices)} --image-size {info.pbin_size} --request-size {metered} "
        "--days 1 --prices article-2020"
    )


def end_lines(end: End) -> Iterator[str]:
    """What a person reads at the end."""
    yield f"{end.id} is {end.state}: {one_line(end.summary)}"
    for reason, count in sorted(end.summary.failures.items()):
        yield f"{count:7}  {reason}"
    for what, count in sorted(end.ignored.items()):
        yield f"{count:7}  messages ignored: {what}"
    if end.keys == "destroyed":
        yield "ota.json is destroyed"


def end_members(end: End) -> dict[str, Any]:
    """`--json`."""
    return {
        "id": end.id,
        "version": end.version,
        "state": end.state,
        "reason": end.reason,
        "exit_code": end.exit_code,
        "devices": _members(end.summary),
        "rollout": [_members(stage) for stage in end.stages],
        "failures": end.summary.failures,
        "ignored": end.ignored,
        "urls": [
            {
                "url": shown(checked.url),
                "size": checked.size,
                "sha256": checked.sha256,
                "ranges": checked.ranges,
            }
            for checked in end.urls
        ],
        "keys": end.keys,
    }


def _members(summary: Summary) -> dict[str, Any]:
    return {
        "total": summary.total,
        "published": summary.published,
        "settled": summary.settled,
        "succeeded": summary.succeeded,
        "failed": summary.failed,
        "unheard": summary.unheard,
        "stages": summary.stages,
    }


def _parts(rollout: Rollout, now: float) -> Sequence[tuple[str, Summary]]:
    parts = [
        (f"{number + 1}", rollout.summary(now, stage=number))
        for number in range(len(rollout.counts))
    ]
    return parts if len(parts) > 1 else [("all", rollout.summary(now))]


def _silent_failures(summary: Summary) -> int:
    return sum(
        count
        for reason, count in summary.failures.items()
        if reason.startswith("silent")
    )
