# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The loop over a source and its files, judged by a made-up source whose answers are known."""

import base64
import json
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PointCloud, PoseEstimate, Prior, Sample, Status
from i2p_ros.evaluation import EvaluatedPair, Report, evaluate
from i2p_ros.evaluation.definitions import DEFINITIONS, KINDS
from i2p_ros.evaluation.files import write_bytes, write_json, write_tum
from i2p_ros.evaluation.gallery import Gallery, drawn_failure, how_bad
from i2p_ros.evaluation.metrics import Score
from i2p_ros.evaluation.report import interval, number, percent, picture, rendered, write_report
from i2p_ros.evaluation.runner import evaluate_seeds

CAMERA = Camera(60.0, 60.0, 48.0, 16.0, 96, 32)
T_CAMERA_LIDAR = Pose(np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), np.array([0.1, -0.2, 0.3]))
XYZ = np.random.default_rng(0).uniform([5, -5, -2], [30, 5, 3], (300, 3)).astype(np.float32)


@dataclass
class Places(Source):
    """n pairs of two drives."""

    n: int = 6
    truth: Pose | None = T_CAMERA_LIDAR
    name: str = "made-up places"

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Sample:
        image = np.full((32, 96, 3), 40 * index, np.uint8)
        name = f"drive_{index % 2}/{index:06d}"
        return Sample(Pair(image, CAMERA, PointCloud(XYZ), index * 10**8, name), self.truth)


class Knowing:
    """Finds the pose from the cloud, which it knows; fails on the third pair and errs on the fifth."""

    def __init__(self) -> None:
        self.clouds: list[np.ndarray] = []
        self.priors: list[Prior | None] = []

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
        self.clouds.append(pair.cloud.xyz)
        self.priors.append(prior)
        if len(self.clouds) % 6 == 3:
            return PoseEstimate(Status.NO_CONSENSUS, "9 of <b>400</b> matches", seconds={"network": 0.1})
        given, known = pair.cloud.xyz.astype(float), XYZ.astype(float)
        turn = Rotation.align_vectors(given - given.mean(0), known - known.mean(0))[0].as_matrix()
        pose = T_CAMERA_LIDAR @ Pose(turn, given.mean(0) - turn @ known.mean(0)).inverse()
        if len(self.clouds) % 6 == 5:
            pose = pose.retract([3.0, 0, 0, 0, 0, 0])
        stages, covariance = {"network": 0.1, "pose": 0.02}, 0.01 * np.eye(6)
        return PoseEstimate(Status.OK, pose=pose, covariance=covariance, confidence=0.5, seconds=stages)


def run(**options: object) -> tuple[Report, Knowing]:
    localizer = Knowing()
    return evaluate(localizer, Places(), **options), localizer  # type: ignore[arg-type]


def test_scores_do_not_depend_on_how_the_cloud_was_moved() -> None:
    for protocol in ("none", "vp2p", "sixdof", "prior"):
        report, _ = run(protocol=protocol, seed=3)
        errors = [row.rte_m for row in report.rows]
        assert errors[2] is None and errors[4] == pytest.approx(3.0, abs=1e-3)
        assert max(errors[k] for k in (0, 1, 3, 5)) < 1e-3  # type: ignore[type-var]
        assert report.summary["recall_2m_5deg"] == pytest.approx(4 / 6)


def test_the_seed_decides_how_clouds_are_moved() -> None:
    first, again, other = (run(protocol="vp2p", seed=seed)[1].clouds for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert all(np.abs(a - b).max() > 0.1 for a, b in zip(first, other, strict=True))
    assert np.abs(first[0] - first[1]).max() > 0.1


def pose(numbers: list[float]) -> Pose:
    return Pose.from_matrix(np.reshape(numbers, (3, 4)))


@pytest.mark.parametrize("protocol", ["vp2p", "sixdof", "prior"])
def test_a_row_holds_what_it_takes_to_redo_the_pair_by_hand(protocol: str) -> None:
    report, localizer = run(protocol=protocol, seed=3)
    rows = json.loads(json.dumps(report.to_json()))["rows"]
    for k, (row, cloud, prior) in enumerate(zip(rows, localizer.clouds, localizer.priors, strict=True)):
        draw = row["draw"]
        assert (draw["seed"], draw["index"]) == (3, k)
        np.testing.assert_allclose(pose(draw["T_given_lidar"]).apply(XYZ), cloud, atol=1e-5)
        in_camera = T_CAMERA_LIDAR.apply(XYZ)
        np.testing.assert_allclose(pose(draw["T_camera_lidar"]).apply(cloud), in_camera, atol=1e-4)
        assert (draw["prior"] is None) == (prior is None) == (protocol != "prior")
        if prior:
            np.testing.assert_allclose(pose(draw["prior"]).matrix, prior.pose.matrix)
        if k != 2:
            rest = pose(row["T_estimated"]).inverse() @ pose(draw["T_camera_lidar"])
            assert np.linalg.norm(rest.translation) == pytest.approx(row["rte_m"], abs=1e-9)
    assert rows[2]["T_estimated"] is None
    visible = CAMERA.project(T_CAMERA_LIDAR.apply(XYZ))[1].mean()
    assert [row["overlap"] for row in rows] == pytest.approx([visible] * 6, abs=0.01)


def test_several_seeds_are_evaluated_apart_and_told_together() -> None:
    told: list[tuple[int, int]] = []
    report = evaluate_seeds(
        Knowing(), {3: Places(4), 4: Places(6)}, progress=lambda done, total: told.append((done, total))
    )
    assert told == [(k + 1, 10) for k in range(10)]
    got = report.to_json()
    assert (got["seed"], got["n"], got["source"]) == ("3,4", 10, "made-up places") and list(got["seeds"]) == ["3", "4"]
    localizer = Knowing()  # errs by the count of its calls
    apart = [evaluate(localizer, Places(n), seed=seed).summary for seed, n in ((3, 4), (4, 6))]
    for summary, one in zip(apart, got["seeds"].values(), strict=True):
        assert one == {key: value for key, value in summary.items() if key in one} and "definitions" not in one
    recalls = [one["recall_2m_5deg"] for one in apart]
    expected = {"mean": sum(recalls) / 2, "min": min(recalls), "max": max(recalls)}
    assert recalls[0] != recalls[1] and got["spread"]["recall_2m_5deg"] == pytest.approx(expected)
    assert {"seeds", "spread"} <= set(got["definitions"])
    single = evaluate_seeds(Knowing(), {3: Places()}).to_json()
    assert single["seed"] == 3 and "seeds" not in single
    assert [row["name"] for row in single["rows"]] == [row.name for row in evaluate(Knowing(), Places()).rows]


def test_json_has_every_key_at_the_top_and_no_nan() -> None:
    report, _ = run(protocol="vp2p", seed=3, model="vp2p-test")
    got = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert set(DEFINITIONS) <= set(got) and set(DEFINITIONS) <= set(got["definitions"])
    assert (got["model"], got["source"], got["protocol"], got["seed"]) == ("vp2p-test", "made-up places", "vp2p", 3)
    assert "10 m" in got["definitions"]["protocol"]
    assert (got["n"], got["localized"], got["status"]) == (6, 5, {"no_consensus": 1, "ok": 5})
    third = {"status": "no_consensus", "kind": "no_consensus", "rte_m": None, "stamp": 2 * 10**8}
    assert got["rows"][2] == {**got["rows"][2], **third}
    assert got["failures"] == {"flipped": 0, "elsewhere": 0, "near_miss": 1, "no_consensus": 1}
    assert got["latency_ms"]["median"] == pytest.approx(120.0)
    assert got["anees"] > 10 and got["coverage"]["0.99"] == pytest.approx(4 / 5)  # the fifth is 30 deviations off
    assert got["rows"][0]["failed"] is False and got["rows"][4]["failed"] is True and len(got["rows"][4]["z"]) == 6
    assert got["auroc"] == 0.5 and got["availability"] == pytest.approx(5 / 6) and got["junk_rate"] == 0.0
    assert "anees" in got["per_drive"]["drive_0"] and got["intervals"]["availability"][1] == 1.0


def test_each_drive_has_its_summary() -> None:
    per_drive = run(protocol="none")[0].per_drive
    assert list(per_drive) == ["drive_0", "drive_1"]
    assert per_drive["drive_0"]["recall_2m_5deg"] == pytest.approx(1 / 3)
    assert per_drive["drive_1"]["recall_2m_5deg"] == 1.0 and per_drive["drive_1"]["n"] == 3
    assert Report([Score("0001", Status.OK)]).per_drive == {}


def test_n_takes_the_first_pairs_and_progress_and_watch_are_told() -> None:
    told: list[tuple[int, int]] = []
    seen: list[EvaluatedPair] = []
    report, _ = run(n=4, progress=lambda done, total: told.append((done, total)), watch=seen.append)
    assert [row.name[-1] for row in report.rows] == ["0", "1", "2", "3"]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [s.score for s in seen] == report.rows
    assert seen[0].sample.T_camera_lidar is not None
    back = seen[0].sample.T_camera_lidar @ seen[0].T_given_lidar
    np.testing.assert_allclose(back.matrix, T_CAMERA_LIDAR.matrix, atol=1e-9)
    assert len(run(n=100)[0].rows) == 6


def test_what_cannot_be_evaluated_is_refused() -> None:
    with pytest.raises(InputError, match="drive_0/000000 has no true T_camera_lidar"):
        evaluate(Knowing(), Places(truth=None))
    with pytest.raises(InputError, match="nothing to evaluate"):
        evaluate(Knowing(), Places(0))
    with pytest.raises(InputError, match=r"no protocol 'hard'; there are none, vp2p, sixdof"):
        evaluate(Knowing(), Places(), "hard")  # type: ignore[arg-type]


class Outline(HTMLParser):
    """Tags left open, and everything that a browser would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for key, value in attrs if key in ("src", "href", "srcset")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_report_is_one_file_that_explains_itself(tmp_path: Path) -> None:
    gallery = Gallery(first=1, worst=2)
    report, _ = run(watch=gallery, model="<script>alert(1)</script>")
    path = write_report(tmp_path / "new", report, gallery.overlays, gallery.failures)
    text = path.read_text()
    outline = Outline(text)
    assert not outline.open and len(outline.sources) == 1 + 2 * 2 + 6
    assert all(source.startswith("data:image/") for source in outline.sources)
    assert "http" not in text and "<script" not in text and "<b>400</b>" not in text
    for key, definition in DEFINITIONS.items():
        assert definition in outline.text or key in ("status", "failures")
    assert all(text in outline.text for text in KINDS.values()) and "near_miss: 1 of 6 pairs" in outline.text
    assert "2 of 6 pairs have no pose or one that is off" in outline.text
    assert "coverage_axes about_forward" in outline.text and "Sparsification and confidence" in outline.text
    assert "By seed" not in outline.text
    assert "By drive" in outline.text and [p.name for p in path.parent.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    "rows", [[], [Score("a/0", Status.BAD_INPUT, reason="no points")], [Score("0", Status.OK, 0.1, 0.1, 0.1, 0.1)]]
)
def test_report_of_little(rows: list[Score]) -> None:
    outline = Outline(rendered(Report(rows, {"dropped": 0, "nested": {"a": 1}})))
    assert not outline.open and "Before and after" not in outline.text and "nested" not in outline.text
    assert "overlap" not in outline.text and "Failures by kind" not in outline.text
    assert ("None: every pair" in outline.text) == (not rows or rows[0].rte_m is not None)


def test_report_of_several_seeds_tells_their_spread() -> None:
    outline = Outline(rendered(evaluate_seeds(Knowing(), {3: Places(), 4: Places()})))
    assert not outline.open and "By seed" in outline.text and "seed 4" in outline.text
    assert "drive_0/000004, seed 3" in outline.text


def test_gallery_keeps_the_first_and_of_each_kind_the_worst() -> None:
    gallery = Gallery(first=2, worst=1)
    run(watch=gallery, seed=3)
    assert [o.title.split("/")[1][:6] for o in gallery.overlays] == ["000000", "000001"]
    assert {kind: [f.title for f in found] for kind, found in gallery.failures.items()} == {
        "no_consensus": ["drive_0/000002, seed 3: no_consensus; 96% of the points in view"],
        "near_miss": ["drive_0/000004, seed 3: 3.00 m, 0.00 deg; 96% of the points in view"],
    }


def test_of_a_kind_the_worst_are_kept_in_order() -> None:
    gallery, seen = Gallery(first=0, worst=2), []
    run(watch=seen.append)
    for metres in (2.5, 4.0, 3.0, 2.1):
        gallery(replace(seen[4], score=replace(seen[4].score, rte_m=metres)))
    assert [f.title.split(":")[1][:5] for f in gallery.failures["near_miss"]] == [" 4.00", " 3.00"]


def test_a_failure_shows_the_truth_beside_what_was_found_or_withheld() -> None:
    seen: list[EvaluatedPair] = []
    run(watch=seen.append, protocol="vp2p")
    truth = seen[0].sample.T_camera_lidar
    withheld = replace(seen[0], estimate=PoseEstimate(Status.UNCERTAIN, withheld=truth))
    same, none = drawn_failure(withheld), drawn_failure(seen[2])
    bar = len(same.true) - CAMERA.height
    np.testing.assert_array_equal(same.true[bar:], same.found[bar:])
    assert none.true[bar:].any() and len(np.unique(none.found[bar:])) == 1  # an image of one grey, and no points
    moved = drawn_failure(seen[4])
    assert (moved.true[bar:] != moved.found[bar:]).any()


def test_pictures_are_shrunk_for_the_page() -> None:
    uri = picture(np.full((90, 1242, 3), (250, 120, 10), np.uint8))
    image = cv2.imdecode(np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (58, 800, 3)
    np.testing.assert_allclose(image[20, 20, ::-1], (250, 120, 10), atol=3)


def test_a_wrong_pose_is_worse_than_none_and_none_worse_than_a_right_one() -> None:
    wrong = Score("", Status.OK, 2.5, 2.5, 1.0, 1.0)
    turned = replace(wrong, rte_m=0.1, rre_deg=170.0)
    right = replace(wrong, rte_m=1.9)
    flipped = replace(turned, rre_geodesic_deg=170.0)
    assert how_bad(flipped) > how_bad(wrong) > how_bad(turned) > how_bad(Score("", Status.DEGENERATE)) > how_bad(right)


def test_numbers_for_reading() -> None:
    assert [number(v) for v in (None, 12, 0.12345, 12345.6, 1500)] == ["-", "12", "0.123", "12346", "1500"]
    assert (percent(None), percent(0.1234)) == ("-", "12.3 %")
    assert (interval(None), interval([0.12345, 12.0])) == ("", " [0.123, 12]")


def test_tum_lines_hold_nanoseconds_and_quaternions(tmp_path: Path) -> None:
    pose = Pose.from_rotvec([0.1, -0.2, 0.3], [1.0, 2.0, -3.5])
    write_tum(tmp_path / "t.txt", [(1317384506_123456789, pose), (5, Pose.identity())])
    header, first, second = (tmp_path / "t.txt").read_text().splitlines()
    assert header == "# timestamp tx ty tz qx qy qz qw"
    assert first.split()[0] == "1317384506.123456789" and second == "0.000000005 0 0 0 0 0 0 1"
    values = np.array(first.split()[1:], float)
    np.testing.assert_allclose(values[:3], pose.translation)
    np.testing.assert_allclose(Rotation.from_quat(values[3:]).as_matrix(), pose.rotation, atol=1e-8)


def test_tum_files_keep_utm_coordinates(tmp_path: Path) -> None:
    pose = Pose.from_rotvec([0.1, -0.2, 0.3], [4_500_000.1234, 500_000.0001, 1e-5])
    write_tum(tmp_path / "t.txt", [(0, pose)])
    line = (tmp_path / "t.txt").read_text().splitlines()[1]
    assert line.split()[1:4] == ["4500000.1234", "500000.0001", "0.00001"]
    np.testing.assert_array_equal(np.array(line.split()[1:], float), [*pose.translation, *pose.quaternion])


def test_files_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    (tmp_path / "file").write_text("here")
    with pytest.raises(InputError, match="choose a folder that can be written"):
        write_bytes(tmp_path / "file" / "b.json", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        write_bytes(tmp_path / "folder", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    write_json(tmp_path / "c.json", {"x": None})
    assert json.loads((tmp_path / "c.json").read_text()) == {"x": None}
