"""An edge node of Sparkplug B as it would be written with Google's protobuf: births, data, deaths, rebirths."""

from __future__ import annotations

from threading import Thread
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

_TYPES = {"bytes": 12, "string": 9, "bool": 8, "uint32": 13, "uint64": 4, "float": 2, "double": 1}
_FIELDS = {
    "Payload": {"timestamp": (1, "uint64"), "seq": (3, "uint64"), "uuid": (4, "string"), "body": (5, "bytes")},
    "Metric": {
        "name": (1, "string"), "alias": (2, "uint64"), "timestamp": (3, "uint64"), "datatype": (4, "uint32"),
        "is_historical": (5, "bool"), "is_transient": (6, "bool"), "is_null": (7, "bool"), "int_value": (10, "uint32"),
        "long_value": (11, "uint64"), "float_value": (12, "float"), "double_value": (13, "double"),
        "boolean_value": (14, "bool"), "string_value": (15, "string"),
    },
}  # fmt: skip
"""The fields of `sparkplug_b.proto` that are numbers and texts: the specification, version 3.0.0, section 6.4."""
INT32, INT64, FLOAT, DOUBLE, BOOLEAN, STRING = 3, 4, 9, 10, 11, 12


def _make() -> tuple[Any, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="edge_node.proto", package="edge", syntax="proto2")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            message.field.add(name=field, number=number, type=_TYPES[kind], label=1)
        if name == "Payload":
            message.field.add(name="metrics", number=2, type=11, label=3, type_name=".edge.Metric")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"edge.{name}")) for name in _FIELDS]
    return made[0], made[1]


Payload, Metric = _make()


def metric(datatype: int | None = None, value: Any = None, **more: Any) -> Any:
    """A metric; without a value it is null."""
    field = {INT32: "int_value", INT64: "long_value", FLOAT: "float_value", BOOLEAN: "boolean_value",
             STRING: "string_value"}.get(datatype or 0, "double_value")  # fmt: skip
    if datatype in (INT32, INT64) and value is not None:
        value &= (1 << (32 if datatype == INT32 else 64)) - 1
    given = {"is_null": True} if value is None else {field: value}
    return Metric(**given, **({} if datatype is None else {"datatype": datatype}), **more)


def payload(at_ms: int, seq: int | None, *metrics: Any) -> bytes:
    found = Payload(timestamp=at_ms, metrics=metrics, **({} if seq is None else {"seq": seq}))
    return bytes(found.SerializeToString())


class EdgeNode:
    """A node `plant/pump` with a device `probe`, at a broker; it is born again when it is asked to be."""

    def __init__(self, port: int, at_ms: int) -> None:
        self.at_ms, self.seq, self.births = at_ms, 0, 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("spBv1.0/plant/NCMD/pump", 1)
        self._client.loop_start()

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        command = Payload.FromString(message.payload)
        assert [(one.name, one.boolean_value) for one in command.metrics] == [("Node Control/Rebirth", True)]
        Thread(target=self.birth).start()  # here it would wait for itself

    def birth(self) -> None:
        self.seq, self.births = -1, self.births + 1
        self.send("NBIRTH/pump", metric(INT64, 0, name="bdSeq"), metric(BOOLEAN, False, name="Node Control/Rebirth"))
        self.send("DBIRTH/pump/probe", metric(DOUBLE, 0.5, name="ph", alias=7), metric(INT32, -3, name="t", alias=8))

    def send(self, topic: str, *metrics: Any, skip: int = 0) -> None:
        """Send a message; `skip` = so many before it were lost."""
        self.seq = (self.seq + 1 + skip) % 256
        self.at_ms += 1_000
        kind, _, rest = topic.partition("/")
        body = payload(self.at_ms, self.seq, *metrics)
        self._client.publish(f"spBv1.0/plant/{kind}/{rest}", body, qos=1).wait_for_publish(10)

    def data(self, value: float, skip: int = 0) -> None:
        self.send("DDATA/pump/probe", metric(None, value, alias=7), skip=skip)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
