# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The results of `i2p fleet` as one folder with a page that needs no server and no network."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files as resources
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from i2p_ros.core.drifts import AXES, UNITS, Level
from i2p_ros.core.errors import InputError, one_line
from i2p_ros.evaluation.report import environment
from i2p_ros.fleet.page.states import ANGLES, RANGE_M
from i2p_ros.fleet.page.tables import opened, read_tables
from i2p_ros.fleet.page.vehicles import VehicleRows, by_vehicle, details, refusal, summary

SCRIPTS = ("parts", "fleet", "plots", "vehicle", "window", "main")  # .js, in this order
PICTURES = (".webp", ".png", ".jpg", ".jpeg")
MARK = '<meta name="generator" content="i2p fleet report">'  # in every page, so that only a page is replaced


def write_fleet_page(out: str, page: Path) -> dict[str, Any]:
    """Numbers of vehicles by level, of refused recordings and of missing pictures; `page`/index.html is written.

    `out` is the folder or URI that `i2p fleet` wrote. An earlier page in the folder `page` is replaced as a whole.
    Raises InputError for tables that cannot be used, and for a folder that cannot be written or holds something else.
    """
    check_folder(page)
    files, folder = opened(out)
    vehicles = by_vehicle(read_tables(files, folder))
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{page.name}.", dir=page.parent, ignore_cleanup_errors=True) as made:
            new = Path(made) / "page"
            missing = _write(new, vehicles, PurePosixPath(folder).name, files, folder)
            _replace(page, new, Path(made) / "old")
    except OSError as error:
        raise InputError(f"cannot write {page}: {one_line(error)}; choose another folder", "output") from error
    levels = Counter(summary(vehicle)["level"] for vehicle in vehicles)
    return {
        "vehicles": len(vehicles),
        "levels": {level.value: levels[level.value] for level in reversed(Level)} | {"none": levels[""]},
        "refused": sum(len(vehicle.refused) for vehicle in vehicles),
        "missing_pictures": missing,
    }


def _replace(page: Path, new: Path, old: Path) -> None:
    if page.exists():
        page.rename(old)
    try:
        new.rename(page)
    except OSError:
        if old.exists():
            old.rename(page)
        raise


def check_folder(page: Path) -> None:
    """Raise InputError if `page` is something else than a new or empty folder or an earlier page."""
    index = page / "index.html"
    try:
        earlier = index.is_file() and MARK in index.read_text("utf-8", errors="replace")[:2000]
        if page.exists() and not earlier and (not page.is_dir() or any(page.iterdir())):
            raise InputError(f"{page} is not empty and no fleet page; choose another folder with --out", "output")
    except OSError as error:
        raise InputError(f"{page} cannot be read: {one_line(error)}", "output") from error


def _write(page: Path, vehicles: Sequence[VehicleRows], name: str, files: Any, folder: str) -> int:
    """Number of pictures that windows name and that are not there. All files of the page are written."""
    (page / "vehicles").mkdir(parents=True)
    (page / "plotly.min.js").write_bytes(get_plotlyjs().encode())
    missing = 0
    for i, vehicle in enumerate(vehicles):
        found = details(vehicle)
        for window in found["windows"]:
            named = bool(window["picture"])
            window["picture"] = _copied(window["picture"], files, folder, page / "pictures")
            missing += named and not window["picture"]
            window["missing"] = named and not window["picture"]
        _write_script(page / "vehicles" / f"{i}.js", f"vehicle{i}", found)
    refused = [{"vehicle": vehicle.name} | refusal(row) for vehicle in vehicles for row in vehicle.refused]
    _write_script(page / "refused.js", "refused", refused)
    html = rendered([summary(vehicle) for vehicle in vehicles], name, len(refused))
    (page / "index.html").write_bytes(html.encode())
    return missing


def rendered(summaries: Sequence[dict[str, Any]], name: str, refused: int) -> str:
    """HTML of the page. Its styles, its scripts and the table of vehicles are inside."""
    sources = resources("i2p_ros.fleet.page")
    data = {
        "name": name,
        "made": time.time_ns() // 1000,
        "levels": [level.value for level in reversed(Level)],
        "axes": [f"{axis} ({ANGLES[axis]})" if axis in ANGLES else axis for axis in AXES],
        "units": UNITS,
        "range": RANGE_M,
        "refused": refused,
        "vehicles": summaries,
    }
    return environment("i2p_ros.fleet").get_template("page/page.html.j2").render(
        name=name,
        mark=Markup(MARK),
        style=Markup((sources / "page.css").read_text("utf-8")),
        script=Markup("\n".join((sources / f"{script}.js").read_text("utf-8") for script in SCRIPTS)),
        data=Markup(script_json(data)),
    )  # fmt: skip


def script_json(content: Any) -> str:
    """JSON that can stand in a <script> element: it has no `<` and only ASCII."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _write_script(path: Path, name: str, content: Any) -> None:
    """A file that a page from file:// can load, other than JSON."""
    path.write_text(f"i2pLoaded({script_json(name)},{script_json(content)});\n")


def _copied(picture: str, files: Any, folder: str, target: Path) -> str:
    """Address in the page of a picture, which is linked or copied there. Empty if there is none inside `folder`."""
    relative = PurePosixPath(picture)
    if not picture or relative.is_absolute() or ".." in relative.parts or relative.suffix.lower() not in PICTURES:
        return ""
    source, copy = f"{folder}/{relative}", target / relative
    if not copy.exists():
        if not files.isfile(source):
            return ""
        copy.parent.mkdir(parents=True, exist_ok=True)
        _link_or_get(files, source, copy)
    return f"pictures/{quote(str(relative))}"


def _link_or_get(files: Any, source: str, copy: Path) -> None:
    try:
        os.link(os.path.realpath(source), copy)  # no second copy on the same disk
    except OSError:
        with files.open(source, "rb") as content, copy.open("wb") as target:
            shutil.copyfileobj(content, target)
