# SPDX-License-Identifier: Apache-2.0
"""Serial port commands: baud rate, framing, flow control (AT manual, UART note).

IPR holds until the next boot, IPREX is stored; the OK comes at the old rate. IFC is
stored without AT&W.
"""

from __future__ import annotations

from collections.abc import Sequence

from vboard.modem.at import AtError, Call, Form, Handler
from vboard.modem.chapter import Chapter


class Serial(Chapter):
    """AT+IPR, IPREX, ICF, IFC."""

    def reset(self) -> None:
        modem = self.modem
        settings = modem.storage.load_settings()
        self.stored_baud = settings.get("iprex", modem.profile.baud)
        if self.stored_baud not in modem.profile.rates:
            self.stored_baud = modem.profile.baud
        self.flow = (settings.get("ifc_dce", 0), settings.get("ifc_dte", 0))
        modem.port.baud = self.stored_baud
        self._apply_flow()

    def commands(self) -> dict[str, Handler]:
        return {
            "IPR": self.ipr,
            "IPREX": self.iprex,
            "ICF": self.icf,
            "IFC": self.ifc,
        }

    def _apply_flow(self) -> None:
        # IFC=<dce>,<dte>: how the host stops us, how we stop the host.
        self.modem.port.flow_out = self.flow[0] == 2
        self.modem.port.flow_in = self.flow[1] == 2

    def _rate(self, call: Call) -> int:
        call.need(Form.SET, 1)
        rate = call.args[0].number(0, 4_000_000)
        if rate not in self.modem.profile.rates:
            raise AtError
        return rate

    def _switch_to(self, rate: int) -> None:
        port = self.modem.port

        def switch() -> None:
            port.baud = rate

        self.modem.runner.after_result(switch)

    def _list(self) -> str:
        return ",".join(map(str, self.modem.profile.rates))

    def ipr(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+IPR: {self.modem.port.baud}",)
        if call.form is Form.TEST:
            return (f"+IPR: ({self._list()})",)
        self._switch_to(self._rate(call))
        return ()

    def iprex(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+IPREX: {self.stored_baud}",)
        if call.form is Form.TEST:
            return (f"+IPREX: ({self._list()})",)
        self.stored_baud = self._rate(call)
        self.modem.basic.store(iprex=self.stored_baud)
        self._switch_to(self.stored_baud)
        return ()

    def icf(self, call: Call) -> Sequence[str]:
        """Framing: 8N1 (3,3) is all that the port can do."""
        if call.form is Form.READ:
            return ("+ICF: 3,3",)
        call.need(Form.SET, 1, 2)
        if any(arg.number(0, 6) != 3 for arg in call.args):
            raise AtError
        return ()

    def ifc(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+IFC: {self.flow[0]},{self.flow[1]}",)
        call.need(Form.SET, 2)
        dce, dte = (arg.number(0, 2) for arg in call.args)
        if dce == 1 or dte == 1:
            raise AtError
        self.flow = (dce, dte)
        self.modem.basic.store(ifc_dce=dce, ifc_dte=dte)
        self.modem.runner.after_result(self._apply_flow)
        return ()
