# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A localizer over a source: one score per pair, a summary with definitions, and a report to look at."""

from i2p_ros.evaluation.runner import EvaluatedPair, Report, evaluate

__all__ = ["EvaluatedPair", "Report", "evaluate"]
