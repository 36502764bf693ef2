# SPDX-License-Identifier: Apache-2.0
"""SIM, registration, PDP contexts, NETOPEN, NTP (AT manual chapters 4 to 6, 10).

The radio network is always the profile's: `sim`, `registered`, `rssi`; the fault
`NetworkLost` takes it away for a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vboard.clock import NS_PER_MS, NS_PER_S
from vboard.modem.at import AtError, Call, CmeError, Form, Handler
from vboard.modem.chapter import Chapter
from vboard.modem.faults import NetworkLost

if TYPE_CHECKING:
    from vboard.modem.sim7600 import Sim7600

_SEARCHING = 2
_LTE = 8  # CNSMOD
_LTE_ACCESS = 7  # COPS (3GPP TS 27.007)
# The test network 001-01 of 3GPP, in the three forms of AT+COPS=3.
_OPERATOR = ("Test PLMN 1-1", "TEST", "00101")
_IMSI = "001010000000015"
_ICCID = "89001010000000000158"
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,255}")


class Network(Chapter):
    """AT+CPIN … AT+CNTP."""

    def __init__(self, modem: Sim7600) -> None:
        self._back_ns = 0  # when a lost network is there again; outlives a reboot
        super().__init__(modem)

    def reset(self) -> None:
        self.sim = self.modem.profile.sim
        self.report = {"CREG": 0, "CGREG": 0, "CEREG": 0}
        self.cnsmod = 0
        self.operator_form = 0
        self.contexts: dict[int, tuple[str, str]] = {1: ("IP", "")}
        self.active: set[int] = {1}
        self.attached = True
        self.opened = False
        self.opening = False
        self.ntp_host = ""
        self.ntp_zone = 0

    @property
    def registered(self) -> bool:
        """True when registered, at home or roaming."""
        return self._stat() in (1, 5)

    @property
    def online(self) -> bool:
        """True when registered and attached to packet service: data can flow."""
        return self.registered and self.attached

    def _stat(self) -> int:
        """Registration as CREG says it: 0 without a SIM or with the radio off."""
        radio = self.modem.basic.function in (1, 5)
        if self.sim != "READY" or not radio:
            return 0
        if self.modem.clock.now_ns < self._back_ns:
            return _SEARCHING
        return self.modem.profile.registered

    def lose_after(self, fault: NetworkLost) -> None:
        """The network goes away for a time, a little later."""
        clock = self.modem.clock

        def lose() -> None:
            self._back_ns = clock.now_ns + fault.ms * NS_PER_MS
            self._say_registration()
            self.modem.http.lose_network()
            self.modem.mqtt.lose_network(fault.mqtt)
            clock.call_at_ns(self._back_ns, back)

        def back() -> None:
            self._say_registration()
            self.modem.mqtt.network_is_back()

        clock.call_after_ns(fault.after_ms * NS_PER_MS, lose)

    def _say_registration(self) -> None:
        for name, wanted in self.report.items():
            if wanted:
                self.modem.urc(f"+{name}: {self._stat()}")

    def commands(self) -> dict[str, Handler]:
        return {
            "CPIN": self.cpin,
            "CIMI": self.cimi,
            "CICCID": self.ciccid,
            "COPS": self.cops,
            "CREG": self.registration,
            "CGREG": self.registration,
            "CEREG": self.registration,
            "CSQ": self.csq,
            "CNSMOD": self.set_cnsmod,
            "CPSI": self.cpsi,
            "CGDCONT": self.cgdcont,
            "CGAUTH": self.cgauth,
            "CGATT": self.cgatt,
            "CGACT": self.cgact,
            "CGPADDR": self.cgpaddr,
            "NETOPEN": self.netopen,
            "NETCLOSE": self.netclose,
            "CNTP": self.cntp,
        }

    def cpin(self, call: Call) -> Sequence[str]:
        if not self.sim:
            raise CmeError(10)
        if call.form is Form.READ:
            return (f"+CPIN: {self.sim}",)
        call.need(Form.SET, 1)
        if self.sim == "READY":
            raise CmeError(3)
        if call.args[0].text != self.modem.profile.pin:
            raise CmeError(16)
        self.sim = "READY"
        return ()

    def cimi(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        if self.sim != "READY":
            raise CmeError({"": 10, "SIM PIN": 11, "SIM PUK": 12}.get(self.sim, 13))
        return (_IMSI,)

    def ciccid(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        if not self.sim:
            raise CmeError(10)
        return (f"+ICCID: {_ICCID}",)

    def cops(self, call: Call) -> Sequence[str]:
        """Automatic choice only: there is one network."""
        if call.form is Form.READ:
            if not self.registered:
                return ("+COPS: 0",)
            form = self.operator_form
            return (f'+COPS: 0,{form},"{_OPERATOR[form]}",{_LTE_ACCESS}',)
        call.need(Form.SET, 1, 2)
        if call.args[0].number(0, 4) == 3 and len(call.args) == 2:
            self.operator_form = call.args[1].number(0, 2)
        elif call.args[0].number(0, 4) != 0 or len(call.args) == 2:
            raise AtError
        return ()

    def registration(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+{call.name}: {self.report[call.name]},{self._stat()}",)
        call.need(Form.SET, 1)
        self.report[call.name] = call.args[0].number(0, 1)
        return ()

    def csq(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        return (f"+CSQ: {self.modem.profile.rssi if self.registered else 99},99",)

    def set_cnsmod(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+CNSMOD: {self.cnsmod},{_LTE if self.registered else 0}",)
        call.need(Form.SET, 1)
        self.cnsmod = call.args[0].number(0, 1)
        return ()

    def cpsi(self, call: Call) -> Sequence[str]:
        call.need(Form.READ)
        if not self.registered:
            return ("+CPSI: NO SERVICE,Online",)
        return (
            "+CPSI: LTE,Online,001-01,0x230A,175499523,318,"
            "EUTRAN-BAND3,1650,5,0,21,67,255,19",
        )

    def _cid(self, call: Call, index: int = 0) -> int:
        cid = call.args[index].number(1, 179)
        if 24 < cid < 100:
            raise AtError
        return cid

    def cgdcont(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return tuple(
                f'+CGDCONT: {cid},"{kind}","{apn}","0.0.0.0",0,0,0,0'
                for cid, (kind, apn) in sorted(self.contexts.items())
            )
        call.need(Form.SET, 2, 3)
        cid, kind = self._cid(call), call.args[1].string(2, 6).upper()
        if kind not in ("IP", "IPV6", "IPV4V6", "PPP"):
            raise AtError
        apn = call.args[2].string(0, 100) if len(call.args) == 3 else ""
        self.contexts[cid] = (kind, apn)
        return ()

    def cgauth(self, call: Call) -> Sequence[str]:
        call.need(Form.SET, 2, 4)
        self._cid(call)
        call.args[1].number(0, 3)
        for arg in call.args[2:]:
            arg.string(0, 127)
        return ()

    def cgatt(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+CGATT: {int(self.online)}",)
        call.need(Form.SET, 1)
        attach = call.args[0].number(0, 1) == 1
        if attach and not self.registered:
            raise CmeError(30)
        self.attached = attach
        return ()

    def cgact(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return tuple(
                f"+CGACT: {cid},{int(cid in self.active)}"
                for cid in sorted(self.contexts)
            )
        call.need(Form.SET, 2)
        on, cid = call.args[0].number(0, 1), self._cid(call, 1)
        if cid not in self.contexts:
            raise AtError
        if on and not self.online:
            raise CmeError(30)
        if on:
            self.active.add(cid)
        else:
            self.active.discard(cid)
        return ()

    def cgpaddr(self, call: Call) -> Sequence[str]:
        if call.form is Form.SET:
            call.need(Form.SET, 1)
            cids = [self._cid(call)]
        else:
            call.need(Form.EXEC)
            cids = sorted(self.contexts)
        return tuple(f"+CGPADDR: {cid},{self._address(cid)}" for cid in cids)

    def _address(self, cid: int) -> str:
        if cid in self.active and self.online:
            return self.modem.profile.address
        return "0.0.0.0"

    def netopen(self, call: Call) -> Sequence[str]:
        if call.form is Form.READ:
            return (f"+NETOPEN: {int(self.opened)}",)
        call.need(Form.EXEC)
        if self.opened:
            raise AtError("+IP ERROR: Network is already opened")
        if self.opening:
            raise AtError
        self.opening = True

        def opened() -> None:
            self.opening = False
            self.opened = self.online
            self.modem.result(f"+NETOPEN: {0 if self.opened else 1}")

        self._later(opened)
        return ()

    def netclose(self, call: Call) -> Sequence[str]:
        call.need(Form.EXEC)
        if not self.opened:
            raise AtError

        def closed() -> None:
            self.opened = False
            self.modem.result("+NETCLOSE: 0")

        self._later(closed)
        return ()

    def _later(self, call: object) -> None:
        assert callable(call)
        wait_ns = self.modem.profile.netopen_ms * NS_PER_MS
        self.modem.runner.after_result(lambda: self.modem.delay(wait_ns, call))

    def cntp(self, call: Call) -> Sequence[str]:
        if call.form is Form.SET:
            call.need(Form.SET, 1, 2)
            host = call.args[0].string(1, 255)
            if not _HOST.fullmatch(host):
                raise AtError
            if len(call.args) == 2:
                self.ntp_zone = call.args[1].number(-96, 96)
            self.ntp_host = host
            return ()
        if call.form is Form.READ:
            return (f'+CNTP: "{self.ntp_host}",{self.ntp_zone}',)
        call.need(Form.EXEC)

        def answered() -> None:
            basic, code = self.modem.basic, 0
            if not self.ntp_host:
                code = 2
            elif not self.online:
                code = 4
            else:
                uptime = self.modem.clock.now_ns // NS_PER_S
                basic.set_time(self.modem.profile.network_time + uptime)
                basic.quarter_hours = self.ntp_zone
            self.modem.result(f"+CNTP: {code}")

        self._later(answered)
        return ()
