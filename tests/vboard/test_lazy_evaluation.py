# SPDX-License-Identifier: Apache-2.0
"""Lazy evaluation gives what stepping would give: UARTE by bytes, TIMER by ticks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from register_bench import RAM, Bench
from uarte_bench import BYTE_NS, UarteBench
from vboard.peripherals.timer import Register as T
from vboard.peripherals.timer import Timer
from vboard.peripherals.uarte import Register as R

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("burst"), st.integers(1, 20)),
        st.tuples(st.just("pass"), st.integers(0, 12 * BYTE_NS)),
        st.tuples(st.just("start"), st.integers(1, 9)),
        st.tuples(st.just("stop"), st.just(0)),
        st.tuples(st.just("flush"), st.integers(1, 8)),
        st.tuples(st.just("short"), st.sampled_from([0, 0x20, 0x40])),
        st.tuples(st.just("take back"), st.just(0)),
        st.tuples(st.just("clear errors"), st.just(0)),
    ),
    max_size=25,
)
WATCHED = (
    R.EVENTS_ENDRX,
    R.EVENTS_RXSTARTED,
    R.EVENTS_RXTO,
    R.EVENTS_ERROR,
)


@dataclass
class Run:
    """One bench that plays the actions; `eager` wants every byte at its instant."""

    eager: bool
    config: int
    log: list[tuple[int, str]] = field(default_factory=list)
    sent: int = 0
    counted: int = 0

    def play(self, actions: list[tuple[str, int]]) -> None:
        """Plays every action and lets the line run dry."""
        self.bench = bench = UarteBench(config=self.config)
        for event in WATCHED:
            bench.bus.listen(bench.uarte.base + event, self._recorder(event.name))
        bench.bus.listen(
            bench.uarte.base + R.EVENTS_RXDRDY,
            self._count,
            horizon=None if self.eager else lambda: None,
        )
        for action, value in actions:
            self._do(action, value)
        bench.pass_bytes(100)
        bench.bus.sync()

    def _recorder(self, name: str):
        return lambda count: self.log.append((self.bench.clock.now_ns, name))

    def _count(self, count: int) -> None:
        self.counted += count

    def _do(self, action: str, value: int) -> None:
        bench, receiver = self.bench, self.bench.uarte.receiver
        match action:
            case "burst":
                data = bytes(self.sent + index & 0xFF for index in range(value))
                self.sent += value
                bench.arrive(data)
                bench.pass_bytes(value / 2)
            case "pass":
                bench.pass_ns(value)
            case "start":
                bench.rx_buffer(value, at=RAM + 16 * (value % 4))
                if not receiver.armed:
                    bench[R.TASKS_STARTRX] = 1
            case "stop":
                bench[R.TASKS_STOPRX] = 1
            case "flush":
                bench.rx_buffer(value, at=RAM + 128)
                if not receiver.on:
                    bench[R.TASKS_FLUSHRX] = 1
            case "short":
                bench[R.SHORTS] = value
            case "take back":
                self.log.append(
                    (len(bench.uarte.rx.take_back(bench.clock.now_ns)), "b")
                )
            case _:
                bench[R.ERRORSRC] = 0xF

    def result(self) -> tuple[object, ...]:
        """What firmware can see in the end."""
        bench = self.bench
        registers = [bench[r] for r in (R.RXD_AMOUNT, R.ERRORSRC, R.EVENTS_RXDRDY)]
        return (bench.peek(RAM, 256), registers, self.counted, bench.uarte.rx.ready)


@settings(max_examples=300, deadline=None)
@given(ACTIONS, st.sampled_from([0, 1]))
def test_uarte_is_the_same_lazy_and_byte_by_byte(
    actions: list[tuple[str, int]], config: int
) -> None:
    """RAM, AMOUNT, errors, counts, and the instants of all events but ERROR."""
    lazy, eager = Run(eager=False, config=config), Run(eager=True, config=config)
    lazy.play(actions)
    eager.play(actions)
    assert lazy.result() == eager.result()
    # Nobody asked for ERROR in time; the first of several is what counts.
    instants = [
        [entry for entry in run.log if "ERROR" not in entry[1]] for run in (lazy, eager)
    ]
    assert instants[0] == instants[1]


def ticked(*, steps: int, cc: list[int], shorts: int) -> tuple[int, list[int]]:
    """An 8-bit counter that is stepped: its value, and how often COMPARE came."""
    value, matches, running = 0, [0] * len(cc), True
    for _ in range(steps):
        if not running:
            break
        value = value + 1 & 0xFF
        reached = value
        for n, compare in enumerate(cc):
            if compare == reached:
                matches[n] += 1
                if shorts >> n & 1:
                    value = 0
                if shorts >> (8 + n) & 1:
                    running = False
    return value, matches


def adder(counts: list[int], n: int) -> Callable[[int], None]:
    """Adds to one of `counts`."""

    def add(count: int) -> None:
        counts[n] += count

    return add


@settings(max_examples=200, deadline=None)
@given(
    steps=st.integers(0, 1500),
    cc=st.lists(st.integers(0, 255), min_size=4, max_size=4),
    shorts=st.integers(0, 0xFFF).map(lambda value: value & 0xF0F),
    prescaler=st.integers(0, 9),
)
def test_timer_is_the_same_computed_and_stepped(
    steps: int, cc: list[int], shorts: int, prescaler: int
) -> None:
    """In timer mode by time, in counter mode by merged counts."""
    expected = ticked(steps=steps, cc=cc, shorts=shorts)
    for mode in (0, 1):
        bench = Bench()
        timer = Timer(bench.clock, bench.bus, bench.irq(8))
        bench.add(timer)
        matches = [0] * 4
        for n, value in enumerate(cc):
            timer.write(0x540 + 4 * n, value)

            bench.bus.listen(timer.base + 0x140 + 4 * n, adder(matches, n))
        for register, value in (
            (T.MODE, mode),
            (T.BITMODE, 1),
            (T.PRESCALER, prescaler),
            (T.SHORTS, shorts),
            (T.TASKS_START, 1),
        ):
            timer.write(register, value)
        if mode:
            timer.trigger(T.TASKS_COUNT, steps)
        else:
            bench.clock.advance_to_ns((steps * 125 << prescaler) + 1 >> 1)
        assert (timer.counter, matches) == expected
