# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distillation of a diffusion model that is conditioned on depth. Read depth, teacher and score, in this order."""
