# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Coverage-guided fuzzing of the decoders of untrusted messages and readers of cloud files: `python -m fuzz`."""
