#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A GPS receiver that has no fix sends sentences with empty fields for latitude and longitude.
#
# Expected: None (as pynmea2 gives for the altitude of the same sentence), NaN or an error.
# Seen in pynmea2 1.19.0: latitude and longitude are 0.0, a valid place in the Gulf of Guinea. A track through a
# tunnel has points 5,000 km away, and the mean of a static receiver is wrong, unless gps_qual or status is looked at.
# pynmeagps 1.1.8 gives empty strings.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from functools import reduce
from importlib.metadata import version
from operator import xor

import pynmea2
import pynmeagps

print("pynmea2", version("pynmea2"), "pynmeagps", version("pynmeagps"))
for body in (
    "GNGGA,123519.00,,,,,0,00,99.99,,,,,,",
    "GNRMC,123519.00,V,,,,,,,230324,,,N",
    "GNGLL,,,,,123519.00,V,N",
):
    sentence = f"${body}*{reduce(xor, body.encode()):02X}"
    one, two = pynmea2.parse(sentence), pynmeagps.NMEAReader.parse(f"{sentence}\r\n".encode())
    print(sentence, "pynmea2:", one.latitude, one.longitude, "pynmeagps:", repr(two.lat), repr(two.lon))
    assert (one.latitude, one.longitude, two.lat, two.lon) == (0.0, 0.0, "", ""), "the behaviour has changed"
    assert getattr(one, "altitude", None) is None
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pynmea2==1.19.0 pynmeagps==1.1.8 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"
