# SPDX-License-Identifier: Apache-2.0
"""What `west ota-flash` shows: steps, the console, a progress bar.

On a terminal the bar is drawn by rich; elsewhere (a log file, CI) each tenth is a
plain line.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nrfota.stage import Progress


class View:
    """Prints; `with View() as view:` ends an open progress bar."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._phase = ""
        self._tenth = -1

    def __enter__(self) -> View:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_bar()

    def step(self, text: str) -> None:
        """A step begins."""
        self._end_bar()
        print(f"==> {text}", flush=True)

    def note(self, text: str) -> None:
        """Something worth knowing inside a step."""
        if self._bar is not None:
            self._bar.console.print(f"    {text}", highlight=False, markup=False)
        else:
            print(f"    {text}", flush=True)

    def line(self, text: str) -> None:
        """A line of the board's console."""
        print(f"  | {text}", flush=True)

    def progress(self, progress: Progress) -> None:
        """How far staging is."""
        if sys.stdout.isatty():
            self._draw(progress)
            return
        tenth = progress.done * 10 // progress.total
        if (progress.phase, tenth) != (self._phase, self._tenth):
            self._phase, self._tenth = progress.phase, tenth
            self.note(self.text(progress))

    @staticmethod
    def text(progress: Progress) -> str:
        """One plain line."""
        left = "" if progress.left_s is None else f", {progress.left_s:.0f} s left"
        share = 100 * progress.done // progress.total
        return (
            f"{progress.phase} {share} %, {progress.done} of {progress.total} bytes, "
            f"{progress.rate / 1000:.1f} kB/s{left}"
        )

    def _draw(self, progress: Progress) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        if progress.phase != self._phase:
            self._end_bar()
            self._phase = progress.phase
        if self._bar is None:
            self._bar = Bar(
                TextColumn("    {task.description}"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
            )
            self._bar.start()
            self._task = self._bar.add_task(
                progress.phase, total=progress.total, text=""
            )
        self._bar.update(self._task, completed=progress.done, text=self.text(progress))

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None
        self._phase, self._tenth = "", -1
