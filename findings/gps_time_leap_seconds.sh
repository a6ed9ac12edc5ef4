#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A stamp in UTC becomes a week and a time of week of GPS, as receivers and LAS files have them, by gps_time's
# GPSTime.from_datetime. The package says of a datetime without a time zone that it assumes UTC.
#
# Expected: GPS is 18 s ahead of UTC since 2017, so that midnight is 18 s in GPS, as from hifitime. to_datetime, whose
# result has the time zone UTC, takes them off again.
# Seen in gps_time 3.0.0: midnight UTC is midnight GPS, 18 s early, and what a receiver says at midnight UTC becomes
# 00:00:18 UTC. For stamps of 2000 it is 13 s, for those of 1980 nothing. There and back the error cancels, so that no
# test of that kind meets it; against a receiver's stamps a vehicle at 20 m/s is 360 m off. utc2gps and gps2utc of
# gps_time.leapseconds are right. The methods do not name them, and the package does not export them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from datetime import datetime, timezone
from importlib.metadata import version

import hifitime
from gps_time import GPSTime
from gps_time.leapseconds import utc2gps

print("gps_time", version("gps_time"), "hifitime", version("hifitime"))
WEEK = 604_800
for year, ahead in ((1980, 0), (2000, 13), (2024, 18)):
    stamp = datetime(year, 2, 1, tzinfo=timezone.utc)
    true = hifitime.Epoch(stamp.strftime("%Y-%m-%dT%H:%M:%S UTC")).to_gpst_seconds()
    found = GPSTime.from_datetime(stamp)
    seconds = found.week_number * WEEK + found.time_of_week
    receiver = GPSTime(int(true // WEEK), true % WEEK).to_datetime()
    print(f"  {stamp}: {true - seconds:.0f} s early; the receiver's {true % WEEK:.0f} s are {receiver}")
    assert true - seconds == ahead and (receiver - stamp).total_seconds() == ahead, "the behaviour has changed"
    assert receiver.tzinfo is not None and found.to_datetime() == stamp, "the behaviour has changed"
    added = utc2gps(stamp)
    assert added.week_number * WEEK + added.time_of_week == true, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet gps_time==3.0.0 hifitime==4.3.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" -W ignore "$folder/run.py"
