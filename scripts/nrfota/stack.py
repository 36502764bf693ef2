# SPDX-License-Identifier: Apache-2.0
"""How much stack an image can need, from the compiler's call graphs.

Rule 1: the input is what GCC writes with `-fcallgraph-info=su`: one .ci file per
        source, with each function's own frame and whom it calls.
Rule 2: a call through a pointer may reach every function whose address is taken,
        that is one that nobody calls by name; a chain of such calls is followed
        `INDIRECT_DEPTH` deep.
Rule 3: recursion has no bound and is an error.

    report = analyse(find_call_graphs(build_dir / "bootloader"), root="Reset_Handler")
    report.worst, report.path
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nrfota.errors import BuildError

INDIRECT = "__indirect_call"
INDIRECT_DEPTH = 3

_NODE = re.compile(
    r'^node: \{ title: "(?P<title>[^"]+)" label: "(?P<label>[^"]*)"', re.MULTILINE
)
_EDGE = re.compile(
    r'^edge: \{ sourcename: "(?P<source>[^"]+)" targetname: "(?P<target>[^"]+)"',
    re.MULTILINE,
)
_FRAME = re.compile(r"\\n(\d+) bytes \((static|dynamic,bounded|dynamic)\)")


@dataclass(frozen=True)
class StackReport:
    """What one image's functions need, in bytes."""

    frames: Mapping[str, int]
    worst: int
    path: tuple[str, ...]

    @property
    def largest(self) -> tuple[str, int]:
        """The function with the largest frame of its own."""
        name = max(self.frames, key=lambda item: (self.frames[item], item))
        return short_name(name), self.frames[name]


@dataclass(frozen=True)
class CallGraph:
    """Frames by function, and who calls whom."""

    frames: dict[str, int]
    calls: dict[str, set[str]]

    def only(self, names: Collection[str]) -> CallGraph:
        """The part of the graph with these functions."""
        kept = {name for name in self.frames if short_name(name) in names}
        return CallGraph(
            frames={name: self.frames[name] for name in kept},
            calls={name: self.calls[name] for name in kept if name in self.calls},
        )

    @property
    def address_taken(self) -> frozenset[str]:
        """Functions that nobody calls by name."""
        called = {target for targets in self.calls.values() for target in targets}
        return frozenset(self.frames) - called


def find_call_graphs(directory: Path) -> tuple[Path, ...]:
    """The .ci files of a target's object directory."""
    return tuple(sorted(directory.rglob("*.ci")))


def short_name(title: str) -> str:
    """Function name without the file that GCC puts before static functions."""
    return title.rsplit(":", 1)[-1]


def parse(texts: Iterable[str]) -> CallGraph:
    """Joins call graphs; BuildError when a frame has no bound."""
    graph = CallGraph(frames={}, calls={})
    for text in texts:
        for node in _NODE.finditer(text):
            frame = _FRAME.search(node["label"])
            if frame is None:
                continue
            if frame[2] == "dynamic":
                raise BuildError(
                    f"function '{short_name(node['title'])}' has a stack frame without "
                    "a bound; expected no variable-length arrays"
                )
            graph.frames[node["title"]] = int(frame[1])
        for edge in _EDGE.finditer(text):
            graph.calls.setdefault(edge["source"], set()).add(edge["target"])
    return graph


def analyse(
    texts: Iterable[str], *, root: str, linked: Collection[str] | None = None
) -> StackReport:
    """The worst path from `root`; BuildError on recursion.

    `linked` names the functions that are in the image (None: all).
    """
    graph = parse(texts)
    if linked is not None:
        graph = graph.only(linked)
    if root not in graph.frames:
        raise BuildError(f"no function '{root}' in the compiler's call graphs")
    indirect: tuple[int, tuple[str, ...]] = (0, ())
    for _ in range(INDIRECT_DEPTH):
        known: dict[str, tuple[int, tuple[str, ...]]] = {INDIRECT: indirect}
        candidates = [
            _deepest(graph, name, known, ())
            for name in sorted(graph.address_taken - {root})
            if not name.endswith("_Handler")
        ]
        indirect = max(candidates, default=indirect)
    worst, path = _deepest(graph, root, {INDIRECT: indirect}, ())
    return StackReport(
        frames=graph.frames,
        worst=worst,
        path=tuple(short_name(name) for name in path),
    )


def _deepest(
    graph: CallGraph,
    name: str,
    known: dict[str, tuple[int, tuple[str, ...]]],
    above: tuple[str, ...],
) -> tuple[int, tuple[str, ...]]:
    if name in above:
        cycle = " -> ".join(short_name(item) for item in (*above, name))
        raise BuildError(f"recursion has no stack bound: {cycle}")
    if name not in known:
        below = max(
            (
                _deepest(graph, target, known, (*above, name))
                for target in sorted(graph.calls.get(name, ()))
            ),
            default=(0, ()),
        )
        known[name] = (graph.frames.get(name, 0) + below[0], (name, *below[1]))
    return known[name]
