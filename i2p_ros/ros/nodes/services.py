# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The services of the localizer node. Each answers with success or not, and a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from i2p_ros.core.errors import InputError
from i2p_ros.ros.nodes.localizer_channel import LocalizerChannel

C = TypeVar("C")


class Services:
    """~/trigger, ~/reset, ~/set_enabled and ~/save_calibration. Each acts on all present channels."""

    def __init__(self, node: Node, channels: Callable[[], Sequence[LocalizerChannel]], folder: Path) -> None:
        self._folder = folder
        for kind, name, answer in (
            (Trigger, "trigger", self._trigger),
            (Trigger, "reset", self._reset),
            (SetBool, "set_enabled", self._set_enabled),
            (Trigger, "save_calibration", self._save_calibration),
        ):
            node.create_service(kind, f"~/{name}", answering(channels, answer))

    def _trigger(self, request: Any, channels: Sequence[LocalizerChannel]) -> str:
        for channel in channels:
            channel.wanted += 1
        return "the next pair is localized, whether the node is enabled or not"

    def _reset(self, request: Any, channels: Sequence[LocalizerChannel]) -> str:
        for channel in channels:
            channel.forget("the service ~/reset was called")
        return "tracking starts again with the next pair"

    def _set_enabled(self, request: Any, channels: Sequence[LocalizerChannel]) -> str:
        for channel in channels:
            channel.enabled = bool(request.data)
        return "pairs are localized" if request.data else "pairs are refused. ~/trigger lets one through"

    def _save_calibration(self, request: Any, channels: Sequence[LocalizerChannel]) -> str:
        written: list[Path] = []
        missing: list[str] = []
        for channel in channels:
            try:
                written += channel.save_calibration(self._folder)
            except InputError as error:
                missing.append(f"{channel.name}: {error}".removeprefix(": "))
        text = f"written: {', '.join(map(str, written))}; " if written else ""
        if missing:
            raise InputError(text + "; ".join(missing), "calibration")
        return text.removesuffix("; ")


def answering(
    channels: Callable[[], Sequence[C]], answer: Callable[[Any, Sequence[C]], str]
) -> Callable[[Any, Any], Any]:
    """The callback of a service: success with the text of `answer`, or failure with the text of its error."""

    def callback(request: Any, response: Any) -> Any:
        present = channels()
        try:
            if not present:
                raise InputError("the node is not active", "inactive")
            response.success, response.message = True, answer(request, present)
        except InputError as error:
            response.success, response.message = False, str(error)
        except Exception as error:  # an exception that is raised here leaves the caller without an answer
            response.success, response.message = False, f"{type(error).__name__}: {error}"
        return response

    return callback
