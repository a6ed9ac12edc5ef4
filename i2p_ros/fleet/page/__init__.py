# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The fleet page: tables in, a folder with HTML out. The files .css and .js beside this one run in the browser."""
