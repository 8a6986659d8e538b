"""The message of Prometheus remote write 1.0 as Google's protobuf reads it, beside which ours is held."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_DOUBLE, _INT64, _STRING, _MESSAGE, _ONE, _MANY = 1, 3, 9, 11, 1, 3
_MESSAGES = {
    "Label": (("name", 1, _STRING), ("value", 2, _STRING)),
    "Sample": (("value", 1, _DOUBLE), ("timestamp", 2, _INT64)),
    "TimeSeries": (("labels", 1, "Label"), ("samples", 2, "Sample")),
    "WriteRequest": (("timeseries", 1, "TimeSeries"),),
}
"""Those fields of prompb/types.proto and remote.proto that are read."""


def _make() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package="prometheus", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            if isinstance(kind, str):
                message.field.add(
                    name=field, number=number, type=_MESSAGE, label=_MANY, type_name=f".prometheus.{kind}"
                )
            else:
                message.field.add(name=field, number=number, type=kind, label=_ONE)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


WriteRequest = _make()
