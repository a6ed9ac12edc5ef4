# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The counts of a soak test: what was sent, what came back, and the report of both. Needs no ROS."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MINUTE_S = 60.0


@dataclass
class Tally:
    """Pairs by their stamp (ns), with their answers. The kind of a pair is the name of its fault, or "" for none."""

    kinds: dict[int, str] = field(default_factory=dict)  # in the order of sending
    answers: dict[int, dict[str, str]] = field(default_factory=dict)
    posed: set[int] = field(default_factory=set)  # stamps of published poses
    dropped: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, float, int]] = field(default_factory=list)  # s, MB, threads
    crashes: list[str] = field(default_factory=list)
    elapsed: float = 0.0  # s with a running node

    def report(self) -> dict[str, Any]:
        """The numbers of `i2p soak --json`."""
        valid = [stamp for stamp, kind in self.kinds.items() if not kind]
        reasons = {stamp: self._reason(stamp) for stamp in valid}
        recovered = self._recoveries()
        return {
            "sent": len(self.kinds),
            "valid": len(valid),
            "answered": sum(reason == "" for reason in reasons.values()),
            "busy": sum(reason == "busy" for reason in reasons.values()),
            "refused_though_valid": dict(Counter(r for r in reasons.values() if r not in ("", "busy", "none"))),
            "unanswered": sum(reason == "none" for reason in reasons.values()),
            "faults": dict(sorted(Counter(kind for kind in self.kinds.values() if kind).items())),
            "dropped": dict(sorted(self.dropped.items())),
            "poses": len(self.posed),
            "junk_poses": sum(bool(self.kinds.get(stamp, "unknown stamp")) for stamp in self.posed),
            "recoveries": sum(recovered),
            "slow_recoveries": len(recovered) - sum(recovered),
            "crashes": len(self.crashes),
            "last_words": self.crashes,
            "rss_mb": [[round(t, 1), round(mb, 1)] for t, mb, _ in self.memory],
            "threads": [[round(t, 1), count] for t, _, count in self.memory],
            "rss_growth": self._growth(),
        }

    def _reason(self, stamp: int) -> str:
        """Why a pair was not localized: "" if it was, "none" if there is no answer at all."""
        answer = self.answers.get(stamp)
        return "none" if answer is None else answer.get("reason", "")

    def _growth(self) -> float | None:
        """Relative growth of memory from the second minute to the last, or none for a shorter test.

        Medians are compared, since a running pair needs more memory for a short time.
        """
        second = [mb for t, mb, _ in self.memory if MINUTE_S <= t < 2 * MINUTE_S]
        last = [mb for t, mb, _ in self.memory if t >= max(2 * MINUTE_S, self.elapsed - MINUTE_S)]
        return float(np.median(last) / np.median(second) - 1.0) if second and last else None

    def _recoveries(self) -> list[bool]:
        """For each run of faults, whether one of the first two pairs after it was localized. Busy ones do not count."""
        found, after = list[bool](), None
        for stamp, kind in self.kinds.items():
            if kind:
                after = 0
            elif after is not None and (reason := self._reason(stamp)) != "busy":
                after += 1
                if reason == "" or after == 2:
                    found.append(reason == "")
                    after = None
        return found
