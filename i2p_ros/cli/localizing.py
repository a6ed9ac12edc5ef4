# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p localize`: localization of one image in one cloud."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from i2p_ros.cli.parts import (
    NONE,
    Files,
    JsonFile,
    Overrides,
    check_targets,
    console,
    loaded,
    output,
    progress,
    write_json,
)
from i2p_ros.cli.viewing import View, check_view
from i2p_ros.core.config import load_settings
from i2p_ros.core.errors import InputError

if TYPE_CHECKING:
    from i2p_ros.sources.cloud_files import CloudFile

NO_POSE = 3  # exit code when there is no pose
COLUMNS = "Columns of a .bin or .npy cloud: their number, or names such as x,y,z,intensity,ring; empty: look for them."


def localize(
    image: Annotated[Path, typer.Option(help="Image file.")],
    cloud: Annotated[Path, typer.Option(help="Cloud: .bin, .npy, .pcd, .ply, .las or .laz.")],
    camera: Annotated[
        Path,
        typer.Option(help="Calibration: a file of ROS, OpenCV or Kalibr. FILE#cam1 chooses one of several cameras."),
    ],
    columns: Annotated[str, typer.Option(help=COLUMNS)] = "",
    model: Annotated[str | None, typer.Option(help="Name of a model, or a training folder.")] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(help="Picture to write: the cloud in the image before and after, and the pose's error ellipse."),
    ] = None,
    view: View = None,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Localize the camera of one image in one cloud. Exit code 3: no pose. The reason is printed.

    Of a cloud in map coordinates, such as UTM, an offset is subtracted. The pose then refers to the shifted frame. The
    offset is printed, and is `cloud.offset_m` in the JSON.
    """
    import cv2

    from i2p_ros.evaluation.files import write_bytes
    from i2p_ros.sources.single import read_pair
    from i2p_ros.viz.pictures.still import localization_picture

    if overlay and not cv2.haveImageWriter(str(overlay)):
        raise InputError(f"cannot write {overlay}: its name must end as that of an image, such as .png", "output")
    check_targets(overlay, json_file)
    check_view(view)
    settings = load_settings(files, overrides)
    pair, stored = read_pair(image, cloud, camera, columns, settings.node.intensity_field)
    localizer = loaded(model, settings)
    with progress("localizing"):
        estimate = localizer.localize_pair(pair)
    write_json({**_estimate_json(estimate), "cloud": _cloud_json(stored)}, json_file)
    if json_file != Path("-"):
        _tell_cloud(stored)
    if overlay:
        picture = localization_picture(pair, estimate)
        write_bytes(overlay, cv2.imencode(overlay.suffix, picture[:, :, ::-1])[1].tobytes())
    if view:
        from i2p_ros.viz.recording import ViewRecording

        with ViewRecording(image.name, view) as recording:
            recording.pair(0, pair)
            recording.estimate(estimate)
    if estimate.pose is None:
        console.print(f"no pose: {estimate.status.value}: {escape(estimate.reason)}", soft_wrap=True)
        raise typer.Exit(NO_POSE)
    if json_file != Path("-"):
        output.print(_estimate_table(estimate))


def _cloud_json(stored: CloudFile) -> dict[str, Any]:
    """How the cloud was read. The pose refers to the frame of the file with its origin at `offset_m`."""
    return {
        "points": len(stored.cloud),
        "columns": list(stored.columns),
        "intensity": stored.intensity or None,
        "offset_m": stored.offset.tolist(),
    }


def _tell_cloud(stored: CloudFile) -> None:
    """Print how the cloud was read."""
    intensity = f"the intensity is {stored.intensity!r}" if stored.intensity else "without intensity"
    columns = ", ".join(stored.columns)
    console.print(f"cloud: {len(stored.cloud)} points of {escape(columns)}; {intensity}", soft_wrap=True)
    if stored.offset.any():
        origin = ", ".join(f"{value:.0f}" for value in stored.offset)
        console.print(f"cloud frame: that of the file, with its origin at ({origin}) m", soft_wrap=True)


def _estimate_json(estimate: Any) -> dict[str, Any]:
    from i2p_ros.core.plain import finite
    from i2p_ros.core.pose_directions import pose_directions

    pose = estimate.pose
    return {
        "status": estimate.status.value,
        "reason": estimate.reason,
        "T_camera_lidar": None if pose is None else pose.matrix.tolist(),
        "covariance": None if pose is None else estimate.covariance.tolist(),
        "degrees_of_freedom": finite(estimate.degrees_of_freedom),
        "directions": pose_directions(estimate),
        "inliers": estimate.n_inliers,
        "confidence": estimate.confidence,
        "ms": {stage: 1e3 * seconds for stage, seconds in estimate.seconds.items()},
    }


def _estimate_table(estimate: Any) -> Table:
    from i2p_ros.core.pose_directions import weak_directions
    from i2p_ros.pnp.covariance import camera_in_lidar

    T_lidar_camera = estimate.pose.inverse()
    deviation = camera_in_lidar(estimate.pose, estimate.covariance).diagonal() ** 0.5
    degrees = map(math.degrees, deviation[3:])
    table = Table("camera in the cloud frame", "value", "standard deviation")
    for axis, value, std in zip("xyz", T_lidar_camera.translation, deviation[:3], strict=True):
        table.add_row(axis, f"{value:.3f} m", f"{std:.3f} m")
    for axis, value, std in zip("xyzw", T_lidar_camera.quaternion, (*degrees, None), strict=True):
        about = "" if std is None else f"{std:.2f} deg about {axis}"
        table.add_row(f"q{axis}", f"{value:.4f}", about)
    for word, axes in weak_directions(estimate).items():
        table.add_row(word, axes, "along and about camera axes")
    table.add_row("inliers", str(estimate.n_inliers), f"confidence {estimate.confidence:.2f}")
    return table
