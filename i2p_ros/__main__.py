# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m i2p_ros` is the command `i2p`."""

from i2p_ros.cli import main

main()
