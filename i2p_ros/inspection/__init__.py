# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inspection of recordings without a network: what they hold, what is wrong with them, and what works with them."""

from i2p_ros.inspection.codes import CODES
from i2p_ros.inspection.inspecting import inspect
from i2p_ros.inspection.result import Inspection

__all__ = ["CODES", "Inspection", "inspect"]
