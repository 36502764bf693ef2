# SPDX-License-Identifier: Apache-2.0
"""The verdicts of a campaign as one HTML file that needs nothing else.

Per scenario three pictures (inline SVG): outcome by operation, simulated time to
recovery by operation, erases by page. Each is also there as a table for readers who
cannot see them. No script, no font, no link leaves the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 900, 120
_MARGIN = 60
_MAX_LOST = 200

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 60em;
       padding: 0 1em; color: #1b1f24; background: #fff; }
h1, h2, h3 { line-height: 1.2; } h3 { font-size: 1em; margin-bottom: .2em; }
table { border-collapse: collapse; } td, th { padding: .2em .8em; text-align: right; }
th:first-child, td:first-child { text-align: left; }
tbody tr { border-top: 1px solid #d0d7de; }
svg { width: 100%; height: auto; } text { font: 11px system-ui, sans-serif; }
code { font-size: .9em; word-break: break-all; }
.lost { color: #b00020; font-weight: bold; } .good { color: #116329; }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117; } text { fill: #e6edf3; }
  .lost { color: #ff7b72; } .good { color: #7ee787; }
  tbody tr { border-color: #30363d; }
}
"""
# Distinct in light and dark, and for the colour-blind; the first means lost.
_LOST = "#d1242f"
_COLOURS = ("#1f77b4", "#e69f00", "#009e73", "#9467bd")


@dataclass(frozen=True)
class Verdict:
    """One case: where it was cut, how it ended."""

    id: str
    operation: int  # 0: uncut
    outcome: str
    lost: str
    recovery_ms: int


@dataclass(frozen=True)
class Chapter:
    """One scenario of the report. `wear`: page address: most erases in a case."""

    name: str
    seed: int
    operations: int
    runs: int
    fired: int
    verdicts: tuple[Verdict, ...] = field(repr=False)
    wear: dict[int, int]


def to_html(chapters: Sequence[Chapter]) -> str:
    """The whole document."""
    cases = sum(len(chapter.verdicts) for chapter in chapters)
    lost = sum(1 for chapter in chapters for item in chapter.verdicts if item.lost)
    verdict = (
        f'<span class="lost">{lost} lost</span>'
        if lost
        else '<span class="good">none lost</span>'
    )
    body = "".join(_chapter(chapter) for chapter in chapters)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        "<title>Power cuts and modem faults</title>"
        f"<style>{_STYLE}</style></head><body>"
        f"<h1>Power cuts and modem faults</h1><p>{cases} cases, {verdict}.</p>"
        f"{_summary(chapters)}{body}</body></html>\n"
    )


def _summary(chapters: Sequence[Chapter]) -> str:
    rows = []
    for chapter in chapters:
        lost = sum(bool(item.lost) for item in chapter.verdicts)
        slowest = max((item.recovery_ms for item in chapter.verdicts), default=0)
        rows.append(
            f'<tr><td><a href="#{escape(chapter.name)}">{escape(chapter.name)}</a></td>'
            f"<td>{chapter.operations}</td><td>{len(chapter.verdicts)}</td>"
            f"<td>{chapter.runs}</td><td>{chapter.fired}</td>"
            f'<td class="{"lost" if lost else "good"}">{lost}</td>'
            f"<td>{slowest / 1000:.1f} s</td>"
            f"<td>{max(chapter.wear.values(), default=0)}</td></tr>"
        )
    return (
        "<table><thead><tr><th>Scenario</th><th>Flash operations</th><th>Cases</th>"
        "<th>Runs</th><th>Faults fired</th><th>Lost</th><th>Slowest recovery</th>"
        f"<th>Most erases</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _chapter(chapter: Chapter) -> str:
    labels = sorted({item.outcome for item in chapter.verdicts if not item.lost})
    colours = {label: _COLOURS[i % len(_COLOURS)] for i, label in enumerate(labels)}
    lost = [item for item in chapter.verdicts if item.lost]
    names = "".join(
        f"<li><code>{escape(item.id)}</code><br>{escape(item.lost)}</li>"
        for item in lost[:_MAX_LOST]
    )
    if len(lost) > _MAX_LOST:
        names += f"<li>and {len(lost) - _MAX_LOST} more</li>"
    return (
        f'<h2 id="{escape(chapter.name)}">{escape(chapter.name)}</h2>'
        f"<p>Seed {chapter.seed}. {_counts(chapter)}</p>"
        f"<h3>How a cut at each flash operation ends</h3>{_outcomes(chapter, colours)}"
        f"<h3>Simulated time from power-on to a running application</h3>"
        f"{_recovery(chapter, colours)}"
        f"<h3>Most erases of each page in one case</h3>{_wear(chapter)}"
        + (f"<h3>Lost cases</h3><ol>{names}</ol>" if lost else "")
    )


def _counts(chapter: Chapter) -> str:
    counts: dict[str, int] = {}
    for item in chapter.verdicts:
        key = "lost" if item.lost else f"ends with {item.outcome}"
        counts[key] = counts.get(key, 0) + 1
    return ", ".join(f"{count} {escape(key)}" for key, count in sorted(counts.items()))


# Pictures


def _span(chapter: Chapter) -> int:
    return max((item.operation for item in chapter.verdicts), default=1) or 1


def _x(operation: int, span: int) -> float:
    return _MARGIN + (WIDTH - _MARGIN - 10) * operation / span


def _svg(height: int, title: str, content: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title, quote=True)}">{content}</svg>'
    )


def _outcomes(chapter: Chapter, colours: dict[str, str]) -> str:
    """One row per way to end; equal neighbours are one bar."""
    span, height = _span(chapter), 18
    rows = [("lost", _LOST), *colours.items()]
    parts = []
    for index, (label, colour) in enumerate(rows):
        hit = sorted(
            {
                item.operation
                for item in chapter.verdicts
                if (label == "lost") == bool(item.lost)
                and (item.lost or item.outcome == label)
            }
        )
        y = 4 + index * height
        parts.append(f'<text x="0" y="{y + 11}">{escape(label)}</text>')
        for first, last in _runs(hit):
            x, end = _x(first, span), _x(last + 1, span)
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{max(end - x, 0.8):.1f}" '
                f'height="12" fill="{colour}"/>'
            )
    bottom = 4 + len(rows) * height
    parts.append(_axis(bottom, span))
    return _svg(bottom + 16, f"{chapter.name}: outcome by operation", "".join(parts))


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Runs of consecutive numbers as (first, last)."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _axis(y: int, span: int) -> str:
    return (
        f'<text x="{_MARGIN}" y="{y + 11}">operation 0</text>'
        f'<text x="{WIDTH - 10}" y="{y + 11}" text-anchor="end">{span}</text>'
    )


def _recovery(chapter: Chapter, colours: dict[str, str]) -> str:
    """A dot per distinct (operation, time) at the picture's resolution."""
    span = _span(chapter)
    top = max((item.recovery_ms for item in chapter.verdicts), default=0) or 1
    dots: dict[tuple[int, int], str] = {}
    for item in chapter.verdicts:
        x = round(_x(item.operation, span))
        y = round(HEIGHT - (HEIGHT - 12) * item.recovery_ms / top)
        colour = _LOST if item.lost else colours[item.outcome]
        if dots.get((x, y)) != _LOST:
            dots[x, y] = colour
    content = "".join(
        f'<circle cx="{x}" cy="{y}" r="1.6" fill="{colour}"/>'
        for (x, y), colour in dots.items()
    )
    content += (
        f'<text x="0" y="14">{top / 1000:.1f} s</text><text x="0" y="{HEIGHT}">0</text>'
        + _axis(HEIGHT + 4, span)
    )
    return _svg(HEIGHT + 20, f"{chapter.name}: time to recovery", content)


def _wear(chapter: Chapter) -> str:
    pages = sorted(chapter.wear.items())
    if not pages:
        return "<p>No page was erased.</p>"
    top = max(chapter.wear.values())
    step = (WIDTH - _MARGIN - 10) / len(pages)
    bars = []
    for index, (address, count) in enumerate(pages):
        x = _MARGIN + index * step
        height = (HEIGHT - 20) * count / top
        bars.append(
            f'<rect x="{x:.1f}" y="{HEIGHT - height:.1f}" width="{step * 0.8:.1f}" '
            f'height="{height:.1f}" fill="{_COLOURS[0]}">'
            f"<title>0x{address:05x}: {count}</title></rect>"
        )
        if len(pages) <= 16:
            bars.append(
                f'<text x="{x:.1f}" y="{HEIGHT + 14}">0x{address:05x}</text>'
                f'<text x="{x:.1f}" y="{HEIGHT - height - 3:.1f}">{count}</text>'
            )
    if len(pages) > 16:
        bars.append(
            f'<text x="{_MARGIN}" y="{HEIGHT + 14}">0x{pages[0][0]:05x}</text>'
            f'<text x="{WIDTH - 10}" y="{HEIGHT + 14}" text-anchor="end">'
            f"0x{pages[-1][0]:05x}</text><text x='0' y='14'>{top}</text>"
        )
    return _svg(HEIGHT + 20, f"{chapter.name}: erases by page", "".join(bars))
