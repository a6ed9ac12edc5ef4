# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Report of an evaluation: one HTML file that needs no other file, with the definitions of its numbers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from markupsafe import Markup

from i2p_ros.core.types import Image
from i2p_ros.evaluation import plots
from i2p_ros.evaluation.definitions import COVARIANCE, ERRORS, INDOOR, KINDS, RECALLS
from i2p_ros.evaluation.files import write_bytes
from i2p_ros.evaluation.gallery import Failure, Overlay, called, how_bad, in_words
from i2p_ros.evaluation.metrics import Score
from i2p_ros.evaluation.runner import Report

WORST = 10
WIDTH = 800  # px, of the largest picture
Failures = Mapping[str, Sequence[Failure]]
Plots = tuple[tuple[str, str, Callable[[Sequence[Score]], bytes]], ...]
RECALL: Plots = (
    (
        "Recall",
        "Share of all pairs whose error is below x, logarithmic; a pair without a pose is never below. Full line: the "
        "other error is within its limit too; dotted: whatever the other error is.",
        plots.recall_curves,
    ),
)
OVERLAP: Plots = (
    (
        "Error against overlap",
        "Overlap is the share of the cloud's points that project into the image under the true pose. Left: one dot per "
        "pair with a pose; dashed: 2 m; red marks at the foot: no pose. Right: share of pairs within 2 m and 5 deg, of "
        "groups of neighbours.",
        plots.error_over_overlap,
    ),
)
PLOTS: Plots = (
    (
        "Error over time",
        "One dot per pair with a pose, logarithmic. Dashed: 2 m and 5 deg. Red marks at the foot: no pose.",
        plots.error_over_time,
    ),
    ("Latency", "Milliseconds of each stage, one on the other, pair by pair.", plots.latency),
)
COVARIANCE_PLOTS: Plots = (
    (
        "Coverage and NEES",
        "Left: share of poses whose truth lies inside the ellipsoid of a stated probability. Below the dashed line the "
        "covariance is too small. Right: distribution of the normalised estimation error squared (NEES). Line: the "
        "distribution if the covariances are as large as the errors.",
        plots.calibration,
    ),
    (
        "Sparsification and confidence",
        "Left: mean camera error of the poses that remain when those of the largest stated deviation are dropped. The "
        "oracle drops those of the largest true error; the nearer to it, the better. Right: poses with at least a "
        "given confidence, published or withheld: share of them that are right, and their share of all pairs.",
        plots.ranking,
    ),
)


def write_report(
    folder: Path, report: Report, overlays: Iterable[Overlay] = (), failures: Failures | None = None
) -> Path:
    """Path of folder/report.html, written with numbers and definitions, plots, overlays, and failures by kind."""
    path = Path(folder) / "report.html"
    write_bytes(path, rendered(report, overlays, failures).encode())
    return path


def rendered(report: Report, overlays: Iterable[Overlay] = (), failures: Failures | None = None) -> str:
    """HTML of a report."""
    template = environment().get_template("report.html.j2")
    bad = sorted((row for row in report.rows if row.kind != "right"), key=how_bad, reverse=True)
    return template.render(
        title=f"{report.meta.get('model') or 'Localization'} on {report.meta.get('source') or 'recorded pairs'}",
        meta=report.meta,
        summary=report.summary,
        per_drive=report.per_drive,
        per_seed=report.per_seed,
        spread=report.spread,
        ended=_ended(report.summary),
        recalls=RECALLS,
        errors=ERRORS,
        covariance=COVARIANCE,
        indoor=INDOOR,
        covariance_plots=drawn_plots(COVARIANCE_PLOTS, report.rows),
        first_plots=drawn_plots(RECALL + (OVERLAP if _with_overlap(report) else ()), report.rows),
        plots=drawn_plots(PLOTS, report.rows),
        overlays=[(overlay.title, picture(overlay.image)) for overlay in overlays],
        failures={kind: [_pictures(failure) for failure in worst] for kind, worst in (failures or {}).items()},
        n_bad=len(bad),
        worst=[(called(row), row, in_words(row)) for row in bad[:WORST]],
    )


def environment(*packages: str) -> jinja2.Environment:
    """Environment of the templates beside this file and of those in other packages, such as `i2p_ros.bench`."""
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name, "") for name in ("i2p_ros.evaluation", *packages)]),
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    made.filters |= {"number": number, "interval": interval, "percent": percent}
    return made


def _ended(summary: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Name, number of pairs and meaning of each kind of KINDS and of each status without a pose."""
    found = {"right": summary["n"] - sum(summary["failures"].values()), **summary["failures"]}
    return [(kind, count, KINDS.get(kind, "no pose, for this reason")) for kind, count in found.items()]


def _pictures(failure: Failure) -> tuple[str, Markup, Markup]:
    return failure.title, picture(failure.true), picture(failure.found)


def _with_overlap(report: Report) -> bool:
    return any(row.overlap is not None for row in report.rows)


def drawn_plots(chosen: Plots, rows: Sequence[Score]) -> list[tuple[str, str, Markup]]:
    """Heading, text and picture of each plot."""
    return [(heading, text, data_uri(draw(rows), "png")) for heading, text, draw in chosen]


def number(value: Any) -> str:
    """Text of a number with three or four digits; a hyphen for None."""
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:.0f}"


def interval(bounds: Sequence[float] | None) -> str:
    """Text of a low and a high end in brackets; empty for None."""
    return "" if bounds is None else f" [{number(bounds[0])}, {number(bounds[1])}]"


def percent(share: float | None) -> str:
    """Text of a share in percent with one decimal; a hyphen for None."""
    return "-" if share is None else f"{100 * share:.1f} %"


def picture(image: Image) -> Markup:
    """JPEG of an image as a data URI, at most WIDTH px wide."""
    height, width = image.shape[:2]
    if width > WIDTH:
        image = np.asarray(cv2.resize(image, (WIDTH, round(height * WIDTH / width)), interpolation=cv2.INTER_AREA))
    return data_uri(cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes(), "jpeg")


def data_uri(content: bytes, kind: str) -> Markup:
    """Data URI of an encoded image."""
    return Markup(f"data:image/{kind};base64,{base64.b64encode(content).decode()}")  # base64 holds no markup
