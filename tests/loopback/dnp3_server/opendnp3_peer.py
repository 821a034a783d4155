"""opendnp3, by way of its Python binding, as a master or an outstation in a process of its own.

Run by a Python that has `dnp3-python` (wheels up to Python 3.10): `opendnp3_peer.py master PORT` connects to an
outstation on the loopback, `opendnp3_peer.py outstation PORT` is one. Commands come as JSON lines on standard input;
what happens goes out as lines "@" + JSON, because the library prints as well.
"""

import json
import os
import sys
import threading
import time

from pydnp3 import asiodnp3, asiopal, opendnp3, openpal

CODES = {
    "latch on": opendnp3.ControlCode.LATCH_ON,
    "latch off": opendnp3.ControlCode.LATCH_OFF,
    "pulse on": opendnp3.ControlCode.PULSE_ON,
    "close": opendnp3.ControlCode.CLOSE_PULSE_ON,
    "trip": opendnp3.ControlCode.TRIP_PULSE_ON,
}
NUMBERS = {
    1: opendnp3.AnalogOutputInt32,
    2: opendnp3.AnalogOutputInt16,
    3: opendnp3.AnalogOutputFloat32,
    4: opendnp3.AnalogOutputDouble64,
}
KINDS = ("Binary", "Analog", "Counter", "FrozenCounter", "BinaryOutputStatus", "AnalogOutputStatus")
lock = threading.Lock()
kept = []  # what the library holds by raw pointers must outlive it


def tell(**fields):
    with lock:
        sys.stdout.write("@" + json.dumps(fields) + "\n")
        sys.stdout.flush()


class Silent(openpal.ILogHandler):
    def __init__(self):
        super().__init__()
        kept.append(self)

    def Log(self, entry):
        pass


def visitor(kind):
    class Visitor(getattr(opendnp3, "IVisitorIndexed" + kind)):
        def __init__(self):
            super().__init__()
            self.found = []

        def OnValue(self, item):
            one = item.value
            self.found.append([item.index, float(one.value), one.flags.value, int(one.time.value)])

    return Visitor


VISITORS = {getattr(opendnp3, "ICollectionIndexed" + kind): (kind, visitor(kind)) for kind in KINDS}


class Events(opendnp3.ISOEHandler):
    def Process(self, info, values):
        if type(values) not in VISITORS:
            tell(other=str(info.gv).split(".")[-1])
            return
        kind, make = VISITORS[type(values)]
        seen = make()
        values.Foreach(seen)
        tell(points=kind, gv=str(info.gv).split(".")[-1], event=info.isEventVariation, values=seen.found)

    def Start(self):
        pass

    def End(self):
        pass


class Application(opendnp3.IMasterApplication):
    def Now(self):
        return openpal.UTCTimestamp(int(time.time() * 1000))

    def OnReceiveIIN(self, iin):
        tell(iin=[iin.LSB, iin.MSB])

    def OnTaskComplete(self, info):
        tell(task=str(info.type).split(".")[-1], result=str(info.result).split(".")[-1])

    def OnTaskStart(self, kind, task):
        pass

    def OnStateChange(self, value):
        pass

    def OnOpen(self):
        tell(channel="open")

    def OnClose(self):
        tell(channel="closed")

    def AssignClassDuringStartup(self):
        return False


class Done(opendnp3.ITaskCallback):
    def __init__(self, name):
        super().__init__()
        self.name = name

    def OnStart(self):
        pass

    def OnComplete(self, result):
        tell(done=self.name, result=str(result).split(".")[-1])

    def OnDestroyed(self):
        pass


def command_of(order):
    if "code" in order:
        return opendnp3.ControlRelayOutputBlock(CODES[order["code"]], order.get("count", 1), 100, 100)
    return NUMBERS[order["variation"]](order["value"])


class Master:
    def __init__(self, port, time_sync):
        config = asiodnp3.MasterStackConfig()
        config.master.responseTimeout = openpal.TimeDuration().Seconds(5)
        config.master.timeSyncMode = getattr(opendnp3.TimeSyncMode, time_sync)
        config.link.LocalAddr, config.link.RemoteAddr = 1, 10
        self.manager = asiodnp3.DNP3Manager(1, Silent())
        listener = asiodnp3.PrintingChannelListener().Create()
        kept.append(listener)
        self.channel = self.manager.AddTCPClient(
            "peer", 0, asiopal.ChannelRetry().Default(), "127.0.0.1", "0.0.0.0", port, listener
        )
        self.events, self.application = Events(), Application()
        self.master = self.channel.AddMaster("master", self.events, self.application, config)
        # the library drops its hold on a callback without the interpreter's lock: it must not be the last one
        self.restarted = self.restarted
        self.master.Enable()

    def carry_out(self, order):
        name, done = order["do"], Done(order["do"])
        kept.append(done)
        config = opendnp3.TaskConfig(opendnp3.TaskId.Undefined(), done)
        if name == "classes":
            field = opendnp3.ClassField(*(number in order["classes"] for number in range(4)))
            self.master.ScanClasses(field, config)
        elif name == "range":
            group = opendnp3.GroupVariationID(order["group"], order["variation"])
            self.master.ScanRange(group, order["start"], order["stop"], config)
        elif name == "all":
            self.master.ScanAllObjects(opendnp3.GroupVariationID(order["group"], order["variation"]), config)
        elif name == "restart":
            kind = getattr(opendnp3.RestartType, order["kind"])
            self.master.Restart(kind, self.restarted, config)
        elif name == "function":
            headers = [opendnp3.Header.AllObjects(group, variation) for group, variation in order["headers"]]
            self.master.PerformFunction(name, getattr(opendnp3.FunctionCode, order["code"]), headers, config)
        elif name in ("select", "direct"):
            self.operate(order, self.master.SelectAndOperate if name == "select" else self.master.DirectOperate)

    def restarted(self, result):
        tell(restart=str(result.summary).split(".")[-1], ms=result.restartTime.milliseconds)

    def operate(self, order, how):
        def finished(result):
            statuses = []
            result.ForeachItem(lambda item: statuses.append(
                [item.index, str(item.state).split(".")[-1], str(item.status).split(".")[-1]]))  # fmt: skip
            tell(operated=order["index"], summary=str(result.summary).split(".")[-1], statuses=statuses)

        kept.append(finished)
        how(command_of(order), order["index"], finished, opendnp3.TaskConfig.Default())


class Commands(opendnp3.ICommandHandler):
    def Start(self):
        pass

    def End(self):
        pass

    def Select(self, command, index):
        tell(selected=index, type=type(command).__name__)
        return self.judge(command, index)

    def Operate(self, command, index, op_type):
        number = getattr(command, "value", None)
        tell(commanded=index, type=type(command).__name__, value=number, how=str(op_type).split(".")[-1])
        return self.judge(command, index)

    def judge(self, command, index):
        if index > 5:
            return opendnp3.CommandStatus.NOT_SUPPORTED
        if getattr(command, "value", 0) > 1000:
            return opendnp3.CommandStatus.OUT_OF_RANGE
        return opendnp3.CommandStatus.SUCCESS


class OutstationApplication(opendnp3.IOutstationApplication):
    def SupportsWriteAbsoluteTime(self):
        return True

    def WriteAbsoluteTime(self, timestamp):
        tell(time=timestamp.msSinceEpoch)
        return True

    def ColdRestartSupport(self):
        return opendnp3.RestartMode.SUPPORTED_DELAY_COARSE

    def ColdRestart(self):
        tell(restarted="cold")
        return 7

    def GetApplicationIIN(self):
        return opendnp3.ApplicationIIN()


class Outstation:
    def __init__(self, port):
        config = asiodnp3.OutstationStackConfig(opendnp3.DatabaseSizes.AllTypes(20))
        config.outstation.eventBufferConfig = opendnp3.EventBufferConfig.AllTypes(100)
        config.outstation.params.allowUnsolicited = True
        config.link.LocalAddr, config.link.RemoteAddr = 10, 1
        self.manager = asiodnp3.DNP3Manager(1, Silent())
        listener = asiodnp3.PrintingChannelListener().Create()
        kept.append(listener)
        self.channel = self.manager.AddTCPServer(
            "peer", 0, asiopal.ChannelRetry().Default(), "127.0.0.1", port, listener
        )
        self.commands, self.application = Commands(), OutstationApplication()
        self.outstation = self.channel.AddOutstation("outstation", self.commands, self.application, config)
        self.outstation.Enable()

    def carry_out(self, order):
        builder = asiodnp3.UpdateBuilder()
        stamp = opendnp3.DNPTime(order.get("time", 0))
        for index, value in order.get("analog", []):
            builder.Update(opendnp3.Analog(value, opendnp3.Flags(1), stamp), index)
        for index, value in order.get("binary", []):
            builder.Update(opendnp3.Binary(bool(value), opendnp3.Flags(1), stamp), index)
        for index, value in order.get("counter", []):
            builder.Update(opendnp3.Counter(value), index)
        self.outstation.Apply(builder.Build())
        tell(done=order["do"], result="SUCCESS")


def main():
    role, port = sys.argv[1], int(sys.argv[2])
    peer = Master(port, sys.argv[3]) if role == "master" else Outstation(port)
    tell(ready=role)
    for line in sys.stdin:
        peer.carry_out(json.loads(line))
    sys.stdout.flush()
    os._exit(0)  # its threads hold Python objects: an orderly end may hang


main()
