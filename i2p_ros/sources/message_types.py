# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoders of the message types of a bag, made from its definitions when a type is first read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore

from i2p_ros.core.errors import InputError
from i2p_ros.sources.chunked_file import BagConnection

Fields = tuple[Any, list[tuple[str, Any]]]  # constants, and names with types, as rosbags has them
# a decoder needs no constants, and rosbags refuses an empty string
_CONSTANT = re.compile(r"^[ \t]*[\w<=]+[ \t]+\w+[ \t]*=.*$", re.MULTILINE)
_IDL = re.compile(r"^=+\nIDL: .*\n", re.MULTILINE)


class MessageTypes:
    """Decoders of messages.

    A definition that the bag lacks, or that cannot be parsed, is taken from ROS 2 Jazzy or ROS 1 Noetic. Definitions of
    types that are not read need not be valid.
    """

    def __init__(self, connections: Iterable[BagConnection], is_ros1: bool) -> None:
        self._definitions = {c.msgtype: c.definition for c in connections}
        self._is_ros1 = is_ros1
        self._common = get_typestore(Stores.EMPTY)
        self._stores: dict[str, Any] = {}  # of rosbags, by type: the common one, which is fast, if definitions agree

    def deserialize(self, raw: bytes, msgtype: str) -> Any:
        """The message of these bytes; raises InputError `message.type` if the type is not known, and errors of rosbags
        if the bytes are not of this type."""
        if msgtype not in self._stores:
            self._stores[msgtype] = self._store(msgtype)
        store = self._stores[msgtype]
        return (store.deserialize_ros1 if self._is_ros1 else store.deserialize_cdr)(raw, msgtype)

    def _store(self, msgtype: str) -> Any:
        """A store with the type and all types that it has fields of."""
        found: dict[str, Fields] = {}
        known, missing = self._parsed(msgtype), [msgtype]
        while missing:
            name = missing.pop()
            found[name] = known[name] if name in known else self._standard(name, msgtype)
            missing += [other for _, kind in found[name][1] for other in _named(kind) if other not in found]
        for store in (self._common, get_typestore(Stores.EMPTY)):
            with suppress(TypesysError):  # another type of this bag has a field of the same type, with other fields
                store.register(found)
                return store
        raise InputError(f"the definition of {msgtype} in the bag is not valid", "message.type")

    def _parsed(self, msgtype: str) -> Mapping[str, Fields]:
        """Types in the definition of a type; none if it cannot be parsed."""
        form, text = self._definitions.get(msgtype, ("", ""))
        text = text.replace("\r\n", "\n")
        try:
            if form == "msg":
                return get_types_from_msg(_CONSTANT.sub("", text), msgtype)
            if form == "idl":
                return {k: v for part in _IDL.split(text) if part.strip() for k, v in get_types_from_idl(part).items()}
        except (TypesysError, ValueError, KeyError, RecursionError):
            pass
        return {}

    def _standard(self, name: str, msgtype: str) -> Fields:
        stores = [Stores.ROS1_NOETIC, Stores.ROS2_JAZZY] if self._is_ros1 else [Stores.ROS2_JAZZY]
        for store in stores:  # rosbags has no tf2_msgs of Noetic; it is the same in ROS 2
            if fields := get_typestore(store).fielddefs.get(name):
                return fields
        of = "" if name == msgtype else f", which {msgtype} has a field of,"
        raise InputError(f"the bag has no valid definition of {name}{of} and ROS has none either", "message.type")


def ros2_name(msgtype: str) -> str:
    """Name of a message type in the style of ROS 2: sensor_msgs/msg/Image, for sensor_msgs/Image too."""
    package, slash, name = msgtype.partition("/")
    return msgtype if "/" in name or not slash else f"{package}/msg/{name}"


def _named(kind: Any) -> Iterator[str]:
    """The message type of a field, if it has one."""
    while kind[0] in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        kind = kind[1][0]
    if kind[0] == Nodetype.NAME:
        yield kind[1]
