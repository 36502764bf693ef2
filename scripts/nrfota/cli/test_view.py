# SPDX-License-Identifier: Apache-2.0
"""What `west ota-test` shows: a progress bar, then a table.

On a terminal the bar is drawn by rich; elsewhere each tenth is a plain line.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nrfota.runners.campaign import Report

_SHOWN_LOST = 20


class View:
    """Prints; `quiet` prints nothing but goes on counting."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Any = None
        self._task: Any = None
        self._tenth = -1
        self._began = time.monotonic()

    def __enter__(self) -> View:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def progress(self, done: int, total: int, lost: int) -> None:
        """So many cases are judged."""
        if self._quiet or not total:
            return
        if sys.stdout.isatty():
            self._draw(done, total, lost)
            return
        tenth = done * 10 // total
        if tenth != self._tenth:
            self._tenth = tenth
            seconds = time.monotonic() - self._began
            print(f"{done} of {total} cases, {lost} lost, {seconds:.0f} s", flush=True)

    def _draw(self, done: int, total: int, lost: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        if self._bar is None:
            self._bar = Progress(
                BarColumn(),
                TextColumn("{task.completed} of {task.total} cases"),
                TextColumn("{task.fields[lost]} lost"),
                TimeRemainingColumn(),
            )
            self._bar.start()
            self._task = self._bar.add_task("cases", total=total, lost=0)
        self._bar.update(self._task, completed=done, lost=lost)

    def table(self, reports: list[Report], *, image_size: int) -> None:
        """One line per scenario, then the names of the lost cases."""
        if self._quiet:
            return
        head = (
            "scenario",
            "operations",
            "cases",
            "runs",
            "lost",
            "slowest",
            "cpu",
            "ends",
        )
        rows = [head]
        for report in reports:
            data = report.as_json()
            ends = ", ".join(
                f"{label} {count}" for label, count in sorted(data["outcomes"].items())
            )
            rows.append(
                (
                    report.scenario,
                    str(report.operations),
                    str(data["cases"]),
                    str(report.runs),
                    str(data["lost"]),
                    f"{data['recovery_ms_max'] / 1000:.1f} s",
                    f"{report.cpu_s:.0f} s",
                    ends,
                )
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [
                cell.ljust(width) if at in (0, 7) else cell.rjust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            print("  ".join(cells).rstrip())
        lost = [result for report in reports for result in report.lost]
        for result in lost[:_SHOWN_LOST]:
            print(f"lost: {result.id}\n      {result.lost}")
        if len(lost) > _SHOWN_LOST:
            print(f"... and {len(lost) - _SHOWN_LOST} more (--json names them all)")
        if not all(report.complete for report in reports):
            print("interrupted: these are the cases judged until then")
        if lost:
            print(
                f"one again: west ota-test --image-size {image_size} --cuts "
                f"'{lost[0].id}'"
            )
        seconds = time.monotonic() - self._began
        cpu_s = sum(report.cpu_s for report in reports)
        print(
            f"seed {reports[0].seed}, {seconds:.0f} s, processor time {cpu_s:.0f} s"
            if reports
            else "nothing to do"
        )
