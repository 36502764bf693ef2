# SPDX-License-Identifier: Apache-2.0
"""Runs command lines: looks commands up, steps their scripts, prints results.

Latency: one AT command line takes a seeded `profile.latency_ms` (5..30 ms) from its
CR to the first byte of its reply; what a command adds to that is in its chapter.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from vboard.clock import NS_PER_MS, NS_PER_US, Alarm
from vboard.modem import faults as fault
from vboard.modem.at import (
    CME_TEXT,
    CRLF,
    Ask,
    AtError,
    Block,
    Call,
    CmeError,
    Final,
    Form,
    Handler,
    Job,
    Say,
    Script,
    Send,
    Step,
    Wait,
    framed,
    parse_line,
)

if TYPE_CHECKING:
    from vboard.modem.sim7600 import Sim7600


class Runner:
    """Executes one command line at a time."""

    def __init__(self, modem: Sim7600) -> None:
        self._modem = modem
        self.table: dict[str, Handler] = {}
        self.reset()

    def reset(self) -> None:
        """Forgets the running command; an upload's `on_abort` is told."""
        abort = getattr(self, "_abort", None)
        self._abort: Callable[[], None] | None = None
        if abort is not None:
            abort()
        self._name = ""
        self._silent = False
        self._after_result: list[Callable[[], None]] = []

    def after_result(self, call: Callable[[], None]) -> None:
        """`call` when the last byte of the running command's result has left."""
        self._after_result.append(call)

    def be_silent(self) -> None:
        """The running command ends without a result."""
        self._silent = True

    def start(self, text: str) -> None:
        """Runs a command line that begins with `AT`."""
        self._modem.trace(f">> {text}")
        self._silent = False
        self._name = "AT"
        self._step(self._line(text[2:]), None)

    def too_long(self) -> None:
        """A line over the limit came."""
        self._silent = False
        self._name = "AT"
        self._finish("ERROR")

    # Scripts

    def _line(self, text: str) -> Script:
        modem = self._modem
        low, high = modem.profile.latency_ms
        yield Wait(modem.rng.randint(low * 1000, high * 1000) * NS_PER_US)
        calls = parse_line(text, max_chained=modem.profile.max_chained)
        if not calls:
            yield from self._one(Call("AT", Form.EXEC))
        for call in calls:
            self._name = call.name
            yield from self._one(call)

    def _one(self, call: Call) -> Script:
        modem, plan = self._modem, self._modem.faults
        dead = plan.hit(fault.Dead, call.name)
        if dead is not None:
            modem.play_dead(dead.ms)
            yield Wait(0)  # never resumed
        if plan.hit(fault.Reboot, call.name) is not None:
            modem.reboot()
            yield Wait(0)  # never resumed
        later = plan.hit(fault.RebootLater, call.name)
        if later is not None:
            modem.delay(later.after_ms * NS_PER_MS, modem.reboot)
        lost = plan.hit(fault.NetworkLost, call.name)
        if lost is not None:
            modem.network.lose_after(lost)
        delay = plan.hit(fault.Delay, call.name)
        if delay is not None:
            yield Wait(delay.ms * NS_PER_MS)
        for urc in plan.urcs("before", call.name):
            for _ in range(urc.count):
                yield Say(urc.text)
        override = plan.hit(fault.OverrideReply, call.name)
        if override is not None:
            for text in override.reply.split("|"):
                yield Say(text)
            self._silent = True
            return
        if plan.hit(fault.Silence, call.name) is not None:
            self._silent = True
        if plan.hit(fault.MissingFile, call.name) is not None:
            raise AtError
        handler = self.table.get(call.name)
        if handler is None:
            raise AtError
        result = handler(call)
        if isinstance(result, Generator):
            yield from self._through(result, call.name)
        else:
            for text in result:
                yield Say(text)

    def _through(self, script: Script, name: str) -> Script:
        value: Any = None
        while True:
            try:
                step = script.send(value)
            except StopIteration:
                return
            if isinstance(step, Block):
                yield from self._block(step, name)
                value = None
            else:
                value = yield step

    def _block(self, block: Block, name: str) -> Script:
        plan = self._modem.faults
        if not plan.faults:
            yield Send(framed(block.header) + block.data + block.tail)
            return
        if plan.hit(fault.StopBeforeBlock, name) is not None:
            self._silent = True
            raise AtError
        for urc in plan.urcs("before_block", name):
            for _ in range(urc.count):
                yield Say(urc.text)
        header = block.header
        if plan.hit(fault.GarbleHeader, name) is not None:
            header = header[::-1]
        inserts = plan.urcs("in_data", name)
        stall = plan.hit(fault.Stall, name)
        reboot = plan.hit(fault.RebootInBlock, name)
        data = plan.block(block.data, name)
        for urc in inserts:
            line = framed(urc.text) * urc.count
            data = data[: urc.offset] + line + data[urc.offset :]
        yield Send(framed(header))
        sent = 0
        if stall is not None:
            sent = min(stall.offset, len(data))
            yield Send(data[:sent])
            yield Wait(stall.ms * NS_PER_MS)
        if reboot is not None:
            yield Send(data[sent : max(sent, reboot.offset)])
            self._modem.reboot()
            yield Wait(0)  # never resumed
        yield Send(data[sent:] + block.tail)

    def _step(self, script: Script, value: Any) -> None:
        """Runs a script until it has to wait or ends."""
        while True:
            try:
                step = script.send(value)
            except StopIteration:
                self._finish("OK")
                return
            except AtError as error:
                if error.line:
                    self._modem.say(error.line)
                self._finish("ERROR")
                return
            except CmeError as error:
                self._finish(self._cme(error.code))
                return
            value = None
            if isinstance(step, Say):
                self._modem.say(step.text)
            elif isinstance(step, Final):
                self._modem.say("OK")
                self._silent = True
            else:
                self._wait(script, step)
                return

    def _wait(self, script: Script, step: Step) -> None:
        modem = self._modem

        def go_on(value: Any = None) -> None:
            self._step(script, value)

        if isinstance(step, Wait):
            modem.later(step.ns, go_on)
        elif isinstance(step, Send):
            modem.port.send(step.data, go_on)
        elif isinstance(step, Job):
            modem.run_job(step, go_on)
        elif isinstance(step, Ask):
            self._ask(step, go_on)

    def _ask(self, step: Ask, go_on: Callable[[Any], None]) -> None:
        modem = self._modem
        prompt = step.prompt
        if prompt is None:
            prompt = CRLF + (b"> " if modem.profile.prompt_space else b">")
        modem.port.send(prompt)
        alarm: Alarm | None = None

        def complete(data: bytes) -> None:
            self._abort = None
            if alarm is not None:
                alarm.cancel()
            go_on(data)

        def give_up() -> None:
            self._abort = None
            modem.line.stop_expecting()
            go_on(None)

        def abort() -> None:
            if step.on_abort is not None:
                step.on_abort(modem.line.received)

        self._abort = abort
        if step.timeout_ns is not None:
            alarm = modem.later(step.timeout_ns, give_up)
        reboot = modem.faults.hit(fault.RebootInUpload, self._name)
        if reboot is not None and reboot.offset < step.count:
            self._abort = None

            def cut(data: bytes) -> None:
                if step.on_abort is not None:
                    step.on_abort(data)
                modem.reboot()

            modem.line.expect(reboot.offset, cut)
            return
        modem.line.expect(step.count, complete)

    def _cme(self, code: int) -> str:
        level = self._modem.basic.cmee
        if level == 0:
            return "ERROR"
        return f"+CME ERROR: {code if level == 1 else CME_TEXT.get(code, 'unknown')}"

    def _finish(self, result: str) -> None:
        modem = self._modem
        for urc in modem.faults.urcs("before_result", self._name):
            for _ in range(urc.count):
                modem.say(urc.text)
        if not self._silent:
            modem.trace(f"<< {result}")
        after, self._after_result = self._after_result, []

        def done() -> None:
            for call in after:
                call()
            modem.line.done()

        modem.port.send(b"" if self._silent else framed(result), done)
