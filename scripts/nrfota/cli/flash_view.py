# SPDX-License-Identifier: Apache-2.0
"""What `west ota-flash` shows: steps, the console, progress bars, a table of times.

On a terminal bars are drawn by rich; elsewhere (a log file, CI) each tenth of staging
is a plain line. A console line is `   12.34 s  | ` and the board's own words.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nrfota.update_times import StepTime, page_progress

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
        self._print(f"    {text}")

    def line(self, text: str, seconds: float) -> None:
        """A line of the board's console, `seconds` after the reset."""
        page = page_progress(text)
        if self._bar is not None and page is None:
            if self._phase == "check":
                self._bar.update(self._task, total=1, completed=1, text="")
            self._end_bar()
        self._print(f"{seconds:9.2f} s  | {text}")
        if sys.stdout.isatty():
            self._draw_update(text, page)

    def _draw_update(self, text: str, page: tuple[int, int] | None) -> None:
        """A bar while the bootloader checks (it does not say how far) and programs."""
        if text.startswith("boot: check ") and not text.endswith(" ok"):
            self._open_bar("check", total=None)
        elif page is not None:
            done, total = page
            if self._phase != "program":
                self._open_bar("program", total=total)
            self._update_bar(done, f"page {done} of {total}")

    def progress(self, progress: Progress) -> None:
        """How far staging is."""
        if sys.stdout.isatty():
            self._draw(progress)
            return
        tenth = progress.done * 10 // progress.total
        if (progress.phase, tenth) != (self._phase, self._tenth):
            self._phase, self._tenth = progress.phase, tenth
            if tenth:  # before that, the rate says nothing
                self.note(self.text(progress))

    @staticmethod
    def text(progress: Progress, *, bar: bool = False) -> str:
        """One plain line, or what stands beside a bar."""
        left = "" if progress.left_s is None else f", {progress.left_s:.0f} s left"
        share = 100 * progress.done // progress.total
        if bar:
            return f"{share:3} %, {progress.rate / 1000:.1f} kB/s{left}"
        return (
            f"{progress.phase} {share} %, {progress.done} of {progress.total} bytes, "
            f"{progress.rate / 1000:.1f} kB/s{left}"
        )

    def _print(self, text: str) -> None:
        """Above an open bar, if there is one."""
        if self._bar is not None:
            self._bar.console.print(
                text, highlight=False, markup=False, emoji=False, soft_wrap=True
            )
        else:
            print(text, flush=True)

    def _draw(self, progress: Progress) -> None:
        if progress.phase != self._phase:
            self._open_bar(progress.phase, total=progress.total)
        self._update_bar(progress.done, self.text(progress, bar=True))

    def _open_bar(self, phase: str, *, total: int | None) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self._end_bar()
        self._phase = phase
        self._bar = Bar(
            TextColumn("    {task.description:8}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[text]}"),
        )
        self._bar.start()
        self._task = self._bar.add_task(phase, total=total, text="")

    def _update_bar(self, done: int, text: str) -> None:
        self._bar.update(self._task, completed=done, text=text)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None
        self._phase, self._tenth = "", -1


def times_table(times: Sequence[StepTime], *, clock: str) -> list[str]:
    """Lines of the table of steps; `clock` says what time is counted."""
    rows = [
        (
            step.name,
            "-" if step.seconds is None else f"{step.seconds:.2f} s",
            "" if step.size is None else f"{step.size}",
            "" if step.rate is None else f"{step.rate / 1000:.1f} kB/s",
        )
        for step in times
    ]
    return [
        f"{name:16}{seconds:>12}{size:>10}{rate:>14}".rstrip()
        for name, seconds, size, rate in [("step", clock, "bytes", "rate"), *rows]
    ]
