# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Learning: batches, objectives and the loop."""

TRAINING_WORLDS = 1_000_000  # seeds of training worlds start here: no smaller seed is ever trained on
VALIDATION_WORLDS = TRAINING_WORLDS - 1
