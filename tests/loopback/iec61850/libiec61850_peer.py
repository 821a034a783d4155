"""A device of libiec61850 (GPLv3), run by a Python that has pyiec61850-ng: nothing of it is imported by gridiface.

Arguments: a certificate, its key and an authority for TLS, or nothing. Prints `port N`, then obeys lines on its
standard input and answers each with one line: `set REF VALUE`, `quality REF BITS`, `get REF`, `check N` (what checks
say from now on), `cause N` (the AddCause beside it), `result N` (what operating says), `password WORD`, `stop`,
`start`, `quit`.
"""

from __future__ import annotations

import ctypes
import pathlib
import socket
import sys
import time
from ctypes import c_bool, c_char_p, c_float, c_int, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any, ClassVar

import pyiec61850

(_FILE,) = (pathlib.Path(pyiec61850.__file__).parent.parent / "pyiec61850_ng.libs").glob("libiec61850*")
LIB = ctypes.CDLL(str(_FILE))

ACCEPTED, OPERATED = -1, 1
HAS_CANCEL = 16
DATA_CHANGE, QUALITY_CHANGE, UPDATE, INTEGRITY, INTERROGATION = 1, 2, 4, 8, 16
ALL_FIELDS = 0xFF
CHECK = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_bool, c_bool)
HANDLER = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_bool)
AUTHENTICATOR = ctypes.CFUNCTYPE(c_bool, c_void_p, c_void_p, c_void_p, c_void_p)


def call(name: str, result: Any, *arguments: Any) -> Any:
    """One function of the library; numbers go as int unless they are told otherwise."""
    function = getattr(LIB, name)
    function.restype = result
    return function(*arguments)


def pointer(name: str, *arguments: Any) -> c_void_p:
    made = call(name, c_void_p, *arguments)
    if not made:
        raise SystemExit(f"{name}{arguments} gives nothing")
    return c_void_p(made)


class Device:
    """VPPDER: measurements, a set-point for each control model, a limit that is written, reports."""

    #: data object -> control model: 1 direct, 2 SBO, 3 direct enhanced, 4 SBO enhanced.
    SET_POINTS: ClassVar = {"WSpt1": 1, "WSpt2": 2, "WSpt3": 3, "WSpt4": 4, "WSpt": 4}

    def __init__(self, tls: list[str]) -> None:
        self.check, self.cause, self.result = ACCEPTED, 0, OPERATED
        self.kept: list[Any] = []
        self.model = pointer("IedModel_create", b"VPP")
        device = pointer("LogicalDevice_create", b"DER", self.model)
        zero = pointer("LogicalNode_create", b"LLN0", device)
        self._measurements(device)
        self._controls(device)
        self._reports(zero)
        self.server = self._server(tls)
        self._handlers()
        self.port = 0

    def _measurements(self, device: c_void_p) -> None:
        plate = pointer("LogicalNode_create", b"LPHD1", device)
        pointer("CDC_DPL_create", b"PhyNam", plate, c_uint32(1 << 19))
        meter = pointer("LogicalNode_create", b"MMXU1", device)
        for name in (b"TotW", b"TotVAr", b"Hz"):
            pointer("CDC_MV_create", name, meter, c_uint32(0), c_bool(False))
        pointer("CDC_WYE_create", b"PhV", meter, c_uint32(0))
        store = pointer("LogicalNode_create", b"DSTO1", device)
        pointer("CDC_MV_create", b"SoC", store, c_uint32(0), c_bool(False))
        pointer("CDC_ENS_create", b"StoSt", store, c_uint32(0))
        ratings = pointer("LogicalNode_create", b"DGEN1", device)
        for name in (b"WMaxRtg", b"ChaWMaxRtg"):
            pointer("CDC_ASG_create", name, ratings, c_uint32(0), c_bool(False))

    def _controls(self, device: c_void_p) -> None:
        node = pointer("LogicalNode_create", b"DWGC1", device)
        for name, model in self.SET_POINTS.items():
            pointer("CDC_APC_create", name.encode(), node, c_uint32(0), c_uint32(model | HAS_CANCEL), c_bool(False))
        pointer("CDC_SPC_create", b"Ena", node, c_uint32(0), c_uint32(3 | HAS_CANCEL))
        pointer("CDC_ING_create", b"RvtTms", node, c_uint32(0))
        limit = pointer("LogicalNode_create", b"DWMX1", device)
        pointer("CDC_ASG_create", b"WLimPct", limit, c_uint32(0), c_bool(False))
        switch = pointer("LogicalNode_create", b"CSWI1", device)
        pointer("CDC_DPC_create", b"Pos", switch, c_uint32(0), c_uint32(2 | HAS_CANCEL))

    def _reports(self, zero: c_void_p) -> None:
        members = pointer("DataSet_create", b"telemetry", zero)
        for name in (b"MMXU1$MX$TotW", b"DSTO1$MX$SoC", b"MMXU1$MX$Hz"):
            pointer("DataSetEntry_create", members, name, -1, None)
        for name, buffered in ((b"brcb01", True), (b"urcb01", False)):
            options = c_uint8(DATA_CHANGE | QUALITY_CHANGE | INTEGRITY | INTERROGATION)
            pointer(
                "ReportControlBlock_create", name, zero, name, c_bool(buffered), b"telemetry",
                c_uint32(1), options, c_uint8(ALL_FIELDS), c_uint32(50), c_uint32(0),
            )  # fmt: skip

    def _server(self, tls: list[str]) -> c_void_p:
        if not tls:
            return pointer("IedServer_create", self.model)
        configuration = pointer("TLSConfiguration_create")
        certificate, key, authority = (name.encode() for name in tls)
        call("TLSConfiguration_setOwnCertificateFromFile", c_bool, configuration, certificate)
        call("TLSConfiguration_setOwnKeyFromFile", c_bool, configuration, key, None)
        call("TLSConfiguration_addCACertificateFromFile", c_bool, configuration, authority)
        call("TLSConfiguration_setChainValidation", None, configuration, c_bool(True))
        call("TLSConfiguration_setAllowOnlyKnownCertificates", None, configuration, c_bool(False))
        return pointer("IedServer_createWithTlsSupport", self.model, configuration)

    def _handlers(self) -> None:
        for functional_constraint in (2, 4, 5):
            call("IedServer_setWriteAccessPolicy", None, self.server, functional_constraint, 0)
        for name in (*(f"DWGC1.{name}" for name in self.SET_POINTS), "DWGC1.Ena", "CSWI1.Pos"):
            node = self.node(name)
            check, handler = CHECK(self._checked), HANDLER(self._operate(name))
            self.kept += [check, handler]
            call("IedServer_setPerformCheckHandler", None, self.server, node, check, None)
            call("IedServer_setControlHandler", None, self.server, node, handler, None)
        for name, model in self.SET_POINTS.items():
            self.integer(f"DWGC1.{name}.ctlModel", model)
        self.integer("DWGC1.Ena.ctlModel", 3)
        self.integer("CSWI1.Pos.ctlModel", 2)

    def _checked(self, action: int, _parameter: Any, _value: Any, _test: bool, _interlock: bool) -> int:
        if self.cause:
            call("ControlAction_setAddCause", None, c_void_p(action), self.cause)
        return self.check

    def _operate(self, name: str) -> Any:
        def operate(_action: Any, _parameter: Any, value: int, _test: bool) -> int:
            if self.result != OPERATED:
                return self.result
            if name.endswith((".Ena", ".Pos")):
                on = call("MmsValue_getBoolean", c_bool, c_void_p(value))
                self.switch(name, on)
                return OPERATED
            part = c_void_p(call("MmsValue_getElement", c_void_p, c_void_p(value), 0))
            watts = call("MmsValue_toFloat", c_float, part)
            self.number(f"{name}.mxVal.f", watts)
            return OPERATED

        return operate

    # --- values -----------------------------------------------------------------------------------------------------

    def node(self, name: str) -> c_void_p:
        return pointer("IedModel_getModelNodeByObjectReference", self.model, f"VPPDER/{name}".encode())

    def number(self, name: str, value: float) -> None:
        # the time first: what makes a report is the value
        base = name.rsplit(".", 2)[0]
        stamp = call("IedModel_getModelNodeByObjectReference", c_void_p, self.model, f"VPPDER/{base}.t".encode())
        if stamp:
            now = c_uint64(int(time.time() * 1000))
            call("IedServer_updateUTCTimeAttributeValue", None, self.server, c_void_p(stamp), now)
        call("IedServer_updateFloatAttributeValue", None, self.server, self.node(name), c_float(value))

    def integer(self, name: str, value: int) -> None:
        call("IedServer_updateInt32AttributeValue", None, self.server, self.node(name), value)

    def switch(self, name: str, on: bool) -> None:
        if name.endswith(".Pos"):
            call("IedServer_updateDbposValue", None, self.server, self.node(f"{name}.stVal"), 2 if on else 1)
        else:
            call("IedServer_updateBooleanAttributeValue", None, self.server, self.node(f"{name}.stVal"), c_bool(on))

    # --- orders -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        call("IedServer_setLocalIpAddress", None, self.server, b"127.0.0.1")
        call("IedServer_start", None, self.server, self.port)
        if not call("IedServer_isRunning", c_bool, self.server):
            raise SystemExit("the server does not start")

    def obey(self, words: list[str]) -> str:
        match words:
            case ["set" | "quality" | "vendor", *_]:
                self._set(words)
            case ["get", name] if name.endswith(".f"):
                return repr(call("IedServer_getFloatAttributeValue", c_float, self.server, self.node(name)))
            case ["get", name]:
                return repr(call("IedServer_getBooleanAttributeValue", c_bool, self.server, self.node(name)))
            case ["check" | "cause" | "result" as what, value]:
                setattr(self, what, int(value))
            case ["stop"]:
                call("IedServer_stop", None, self.server)
            case ["start"]:
                self.start()
            case ["password", known]:
                self._authenticate(known)
            case _:
                return f"unknown: {words}"
        return "done"

    def _set(self, words: list[str]) -> None:
        match words:
            case ["set", name, value] if name.endswith(".f"):
                self.number(name, float(value))
            case ["set", name, value] if name.endswith((".setVal", ".StoSt.stVal", ".ctlModel")):
                self.integer(name, int(value))
            case ["set", name, value]:
                self.switch(name, value == "true")
            case ["quality", name, value]:
                call("IedServer_updateQuality", None, self.server, self.node(name), c_uint16(int(value)))
            case ["vendor", name]:
                node = self.node("LPHD1.PhyNam.vendor")
                call("IedServer_updateVisibleStringAttributeValue", None, self.server, node, name.encode())

    def _authenticate(self, known: str) -> None:
        def knows(_parameter: Any, told: int, _token: Any, _reference: Any) -> bool:
            if not told or call("AcseAuthenticationParameter_getAuthMechanism", c_int, c_void_p(told)) != 1:
                return False
            password = call("AcseAuthenticationParameter_getPassword", c_char_p, c_void_p(told)) or b""
            length = call("AcseAuthenticationParameter_getPasswordLength", c_int, c_void_p(told))
            return bytes(password[:length]) == known.encode()

        handler = AUTHENTICATOR(knows)
        self.kept.append(handler)
        call("IedServer_setAuthenticator", None, self.server, handler, None)


def main() -> None:
    device = Device(sys.argv[1:])
    device.start()
    print(f"port {device.port}", flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        print(device.obey(line.split()), flush=True)
    call("IedServer_stop", None, device.server)


if __name__ == "__main__":
    main()
