# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings for the rerun viewer: image, cloud, matches, poses and their covariances.

ENTITIES is the table of what a recording holds. Its timelines are `pair`, the index of the pair, and `stamp`, the time
of the image. Lengths are in metres. All frames are right-handed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.drifts import AxisRow
from i2p_ros.core.errors import InputError, MissingPackageError, install_command
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.spacing import thinned
from i2p_ros.core.types import Image, Pair, PoseEstimate
from i2p_ros.viz.ellipses import ellipsoid, position_covariance
from i2p_ros.viz.overlays import BAD, GOOD, depth_colours, depths

if TYPE_CHECKING:
    import rerun
    from numpy.typing import NDArray

ENTITIES = {
    "about": "this table, and the units and frames",
    "image": "the image as it was given",
    "image/points": "the points of the cloud at the pose, coloured by depth",
    "image/matches": "pixels of matches: inliers are green, others red",
    "lidar": "the frame of the cloud: x forward, y left, z up",
    "lidar/points": "the cloud, coloured by distance from the lidar",
    "lidar/matches": "lines from the camera to the points of matches: inliers are green, others red",
    "lidar/camera": "the estimated camera: x right, y down, z forward; its undistorted view is `view`",
    "lidar/camera_position_95": "the 95 % ellipsoid of the position of the estimated camera, m",
    "lidar/withheld_camera": "a camera whose pose was found and not published",
    "lidar/true_camera": "the camera at the true pose",
    "lidar/nominal_camera": "the camera by the nominal calibration",
    "lidar/drifted_camera": "the camera by the nominal calibration and the estimated drift",
    "lidar/drifted_camera_position_95": "the 95 % ellipsoid of its position, m",
    "lidar/calibrated_camera": "the camera by the calibration that was found",
    "lidar/calibrated_camera_position_95": "the 95 % ellipsoid of its position, m",
    "lidar/stated_camera": "the camera by the calibration that the recording states",
    "lidar/initial_camera": "the camera by the calibration that was given to start from",
    "status": "the status and its reason, in words",
    "confidence": "the probability that the pose is right",
    "inliers": "the number of matches that agree with the pose",
    "deviation": "standard deviations of the camera's position, m, along x, y and z of the cloud's frame",
    "drift": "drift on each axis of the camera with its 95 % interval, cm or deg",
    "verdict": "level and reasons of the monitor, in words",
}
COLOURS = {
    "camera": (214, 0, 143), "withheld_camera": (230, 120, 0), "true_camera": (40, 200, 90),
    "drifted_camera": (214, 0, 143), "calibrated_camera": (255, 255, 255),
    "nominal_camera": (90, 150, 255), "stated_camera": (90, 150, 255), "initial_camera": (230, 200, 0),
}  # fmt: skip
VERDICT_LEVELS = {"ok": "INFO", "unsure": "WARN", "warn": "WARN", "alarm": "ERROR"}
ABOUT = "Lengths in metres, angles in degrees where named so. All frames are right-handed. Entities:\n\n"
OPEN = "open"  # the target that starts the viewer
MOST_POINTS = 40_000
PLANE_M = 3.0  # distance of the image from its camera in the 3D view
JPEG_QUALITY = 90


class ViewRecording:
    """A recording that is written to a .rrd file, or shown in the viewer. Use it as a context: an error leaves no file.

    Raises MissingPackageError without rerun-sdk, and InputError for a target that is neither a .rrd file nor OPEN.
    """

    def __init__(self, name: str, target: str) -> None:
        check_target(target)
        self._rr = _rerun()
        self._file = None if target == OPEN else Path(target)
        self._stream: rerun.RecordingStream = self._rr.RecordingStream("i2p_ros")
        self._stream.send_recording_name(name)
        self._pair: Pair | None = None
        self._shown: tuple[set[str], set[str]] = set(), set()  # entities of the pair before, and of this pair
        if self._file is None:
            _spawn(self._stream, self._layout())
        else:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._stream.save(self._partial, default_blueprint=self._layout())
        text = ABOUT + "\n".join(f"- `{entity}`: {what}" for entity, what in ENTITIES.items())
        self._log("about", self._rr.TextDocument(text, media_type="text/markdown"), static=True)
        self._log("lidar", self._rr.ViewCoordinates.FLU, static=True)

    def __enter__(self) -> ViewRecording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._end_pair()
        self._stream.flush()
        self._stream.disconnect()
        if self._file is not None:
            if kind is None:
                self._partial.replace(self._file)
            else:
                self._partial.unlink(missing_ok=True)

    @property
    def _partial(self) -> Path:
        assert self._file is not None
        return self._file.with_name(f".{self._file.name}.partial")

    def pair(self, index: int, pair: Pair) -> None:
        """Begin a pair: its image and its cloud. Nothing of the pair before is shown any more."""
        self._end_pair()
        rr, self._pair = self._rr, pair
        self._stream.set_time("pair", sequence=index)
        self._stream.set_time("stamp", timestamp=np.datetime64(pair.stamp, "ns"))
        self._log("image", _encoded(rr, pair.image))
        cloud = pair.cloud.finite()
        xyz = thinned(cloud.xyz, MOST_POINTS)
        self._log("lidar/points", rr.Points3D(xyz, colors=depth_colours(np.linalg.norm(xyz, axis=1)), radii=0.03))

    def estimate(self, estimate: PoseEstimate) -> None:
        """What was found for the pair: the pose, its covariance and matches; or a withheld pose; or the reason."""
        rr, found = self._rr, estimate.correspondences
        level = rr.TextLogLevel.INFO if estimate.pose else rr.TextLogLevel.WARN
        words = ": ".join(filter(None, (estimate.status.value, estimate.reason)))
        self._log("status", rr.TextLog(words, level=level))
        self._log("confidence", rr.Scalars(estimate.confidence))
        self._log("inliers", rr.Scalars(estimate.n_inliers))
        if estimate.pose is not None:
            self.camera("camera", estimate.pose, estimate.covariance, estimate.degrees_of_freedom)
            self._points_in_image(estimate.pose)
        elif estimate.withheld is not None:
            self.camera("withheld_camera", estimate.withheld)
        if found is not None:
            inliers = np.zeros(len(found), bool) if estimate.inliers is None else estimate.inliers
            self.matches(estimate.pose, found.points, inliers, found.pixels)

    def camera(
        self, name: str, T_camera_lidar: Pose, covariance: Array | None = None, degrees_of_freedom: float = np.inf,
        static: bool = False,
    ) -> None:  # fmt: skip
        """The camera at a pose, as the entity lidar/`name`; with a covariance, the ellipsoid of its position too.

        `static` shows it at all pairs, of which there has been one.
        """
        assert self._pair is not None
        rr, T_lidar_camera, entity = self._rr, T_camera_lidar.inverse(), f"lidar/{name}"
        where = rr.Transform3D(
            translation=T_lidar_camera.translation, quaternion=rr.Quaternion(xyzw=T_lidar_camera.quaternion)
        )
        self._log(entity, where, static=static)
        self._log(f"{entity}/view", _pinhole(rr, self._pair.camera.undistorted, COLOURS[name]), static=static)
        if covariance is not None and np.isfinite(covariance).all():
            position = position_covariance(T_camera_lidar, covariance)
            self._ellipsoid(f"{entity}_position_95", T_lidar_camera.translation, position, degrees_of_freedom, static)

    def matches(
        self, T_camera_lidar: Pose | None, points: Array, inliers: NDArray[np.bool_], pixels: Array | None = None
    ) -> None:
        """Matches: lines from the camera at a pose to `points` (M, 3) in the lidar frame, and `pixels` (M, 2)."""
        rr = self._rr
        colours = np.where(inliers[:, None], GOOD, BAD).astype(np.uint8)
        if T_camera_lidar is not None:
            start = np.broadcast_to(T_camera_lidar.inverse().translation, points.shape)
            lines = np.stack([start, points], axis=1)
            self._log("lidar/matches", rr.LineStrips3D(lines, colors=colours, radii=0.005))
        if pixels is not None:
            self._log("image/matches", rr.Points2D(pixels + 0.5, colors=colours, radii=2.0, draw_order=30.0))

    def verdict(self, level: str, reasons: str, axes: list[AxisRow]) -> None:
        """A verdict of the monitor, with the drift on each axis."""
        rr = self._rr
        self._log("verdict", rr.TextLog(": ".join(filter(None, (level, reasons))), level=VERDICT_LEVELS[level]))
        for row in axes:
            numbers: Mapping[str, float | None] = {"": row.drift}
            if row.drift is not None and row.half is not None:
                numbers = {"": row.drift, "_low": row.drift - row.half, "_high": row.drift + row.half}
            for which, value in numbers.items():
                if value is not None:
                    self._log(f"drift/{row.axis}_{row.unit}{which}", rr.Scalars(value))

    def _ellipsoid(self, entity: str, centre: Array, covariance: Array, nu: float, static: bool) -> None:
        rr, shape = self._rr, ellipsoid(covariance, nu)
        turn = Pose(shape.axes, np.zeros(3)).quaternion
        drawn = rr.Ellipsoids3D(
            centers=[centre], half_sizes=[shape.half_axes], quaternions=[rr.Quaternion(xyzw=turn)],
            colors=[(*COLOURS["camera"], 110)], fill_mode=rr.components.FillMode.Solid,
        )  # fmt: skip
        self._log(entity, drawn, static=static)
        for axis, value in zip("xyz", np.sqrt(np.diag(covariance)) if not static else (), strict=not static):
            self._log(f"deviation/{axis}_m", rr.Scalars(value))

    def _points_in_image(self, T_camera_lidar: Pose) -> None:
        assert self._pair is not None
        camera, in_camera = self._pair.camera, T_camera_lidar.apply(self._pair.cloud.xyz)
        pixels, inside = camera.project(in_camera)
        colours = depth_colours(depths(camera, in_camera[inside]))
        drawn = self._rr.Points2D(pixels[inside] + 0.5, colors=colours, radii=camera.width / 1200, draw_order=20.0)
        self._log("image/points", drawn)

    def _end_pair(self) -> None:
        """Hide what the pair before has and this pair has not. Otherwise the viewer would still show it."""
        before, now = self._shown
        for entity in sorted(before - now):
            self._stream.log(entity, self._rr.Clear(recursive=False))
        self._shown = now, set()

    def _log(self, entity: str, what: Any, static: bool = False) -> None:
        self._stream.log(entity, what, static=static)
        if not static and entity.startswith(("lidar", "image")):
            self._shown[1].add(entity)

    def _layout(self) -> Any:
        from rerun import blueprint as views

        return views.Blueprint(
            views.Horizontal(
                views.Spatial3DView(
                    origin="lidar", name="cloud and cameras",
                    eye_controls=views.EyeControls3D(position=(-12.0, -12.0, 10.0), look_target=(4.0, 0.0, 0.0)),
                ),
                views.Vertical(
                    views.Spatial2DView(origin="image", name="image"),
                    views.Tabs(
                        views.TextLogView(contents=["status", "verdict"], name="status"),
                        views.TimeSeriesView(contents=["deviation/**"], name="deviation, m"),
                        views.TimeSeriesView(contents=["drift/**"], name="drift"),
                        views.TimeSeriesView(contents=["confidence"], name="confidence"),
                        views.TextDocumentView(origin="about", name="about"),
                    ),
                ),
                column_shares=[3, 2],
            ),
            views.TimePanel(timeline="pair", state="collapsed"),
            collapse_panels=True,
        )  # fmt: skip


def check_target(target: str) -> None:
    """Raise InputError for a target that is neither a .rrd file nor OPEN, MissingPackageError without rerun-sdk."""
    _rerun()
    if target != OPEN and Path(target).suffix != ".rrd":
        raise InputError(f"cannot write {target}: give a file that ends in .rrd, or {OPEN!r} for the viewer", "output")


def _rerun() -> Any:
    try:
        import rerun
    except ImportError as error:
        raise MissingPackageError(f"recordings for the rerun viewer need {install_command('view')}") from error
    return rerun


def _spawn(stream: rerun.RecordingStream, layout: Any) -> None:
    try:
        stream.spawn(default_blueprint=layout)
    except RuntimeError as error:
        raise MissingPackageError("the viewer cannot be started: put `rerun` of rerun-sdk on your PATH") from error


def _encoded(rr: Any, image: Image) -> Any:
    content = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
    return rr.EncodedImage(contents=content, media_type="image/jpeg")


def _pinhole(rr: Any, camera: Camera, colour: tuple[int, int, int]) -> Any:
    """The camera, whose pixel (0, 0) is at (0.5, 0.5) in rerun."""
    return rr.Pinhole(
        focal_length=[camera.fx, camera.fy], principal_point=[camera.cx + 0.5, camera.cy + 0.5],
        width=camera.width, height=camera.height, camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=PLANE_M, color=colour,
    )  # fmt: skip
