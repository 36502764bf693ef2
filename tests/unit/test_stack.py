# SPDX-License-Identifier: Apache-2.0
"""Worst-case stack from the compiler's call graphs."""

from __future__ import annotations

import pytest
from nrfota.errors import BuildError
from nrfota.stack import analyse


def graph(frames: dict[str, str], calls: list[tuple[str, str]]) -> str:
    """A .ci file as GCC writes it."""
    lines = ['graph: { title: "x.c"']
    for name, frame in frames.items():
        lines.append(f'node: {{ title: "{name}" label: "{name}\\nx.c:1:2\\n{frame}" }}')
    for source, target in calls:
        lines.append(
            f'edge: {{ sourcename: "{source}" targetname: "{target}" label: "x.c:3" }}'
        )
    return "\n".join([*lines, "}"])


def static(size: int) -> str:
    """A frame of a known size."""
    return f"{size} bytes (static)"


def test_the_deepest_path_over_several_files() -> None:
    """Frames add up along the path, not over all functions."""
    first = graph(
        {"main": static(8), "a": static(100), "x.c:b": static(40)},
        [("main", "a"), ("main", "x.c:b"), ("x.c:b", "c")],
    )
    second = graph({"c": static(90)}, [])
    report = analyse([first, second], root="main")
    assert report.worst == 8 + 40 + 90
    assert report.path == ("main", "b", "c")
    assert report.largest == ("a", 100)


def test_a_call_through_a_pointer_reaches_any_function_nobody_names() -> None:
    """The largest of them counts."""
    text = graph(
        {"main": static(8), "port": static(64), "other": static(16)},
        [("main", "__indirect_call")],
    )
    report = analyse([text], root="main")
    assert report.worst == 8 + 64
    assert report.path == ("main", "port")


def test_functions_that_were_not_linked_do_not_count() -> None:
    """Garbage collection at link time is respected."""
    text = graph(
        {"main": static(8), "gone": static(500)}, [("main", "__indirect_call")]
    )
    assert analyse([text], root="main", linked={"main"}).worst == 8


def test_recursion_is_an_error() -> None:
    """There is no bound to report."""
    text = graph(
        {"main": static(8), "a": static(8), "b": static(8)},
        [("main", "a"), ("a", "b"), ("b", "a")],
    )
    with pytest.raises(
        BuildError, match="recursion has no stack bound: main -> a -> b -> a"
    ):
        analyse([text], root="main")


def test_a_frame_without_a_bound_is_an_error() -> None:
    """Variable-length arrays."""
    text = graph({"main": "16 bytes (dynamic)"}, [])
    with pytest.raises(BuildError, match="'main' has a stack frame without a bound"):
        analyse([text], root="main")


def test_an_unknown_root_is_an_error() -> None:
    """A renamed entry point must not report zero."""
    with pytest.raises(BuildError, match="no function 'start' in the compiler's call"):
        analyse([graph({"main": static(8)}, [])], root="start")
