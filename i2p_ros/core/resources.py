# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of the package that are not Python: config, launch, models."""

from pathlib import Path

from i2p_ros.core.errors import InputError

PACKAGES = ("site-packages", "dist-packages")


def resource(name: str) -> Path:
    """Path of a file or folder such as config/fastdds.xml, in the repository or in share/i2p_ros of an installation.

    Raises InputError where it is not installed.
    """
    for parent in Path(__file__).absolute().parents[2:]:
        installed, own = parent / "share" / "i2p_ros" / name, parent / name
        if installed.exists():
            return installed
        if own.exists() and parent.name not in PACKAGES:  # where a folder of this name is another package's
            return own
    raise InputError(f"{name} of i2p_ros is not installed: install the package again", "installation")
