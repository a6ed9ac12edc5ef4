# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Coverage-guided fuzzing of the decoders of untrusted messages: `python -m fuzz`."""
