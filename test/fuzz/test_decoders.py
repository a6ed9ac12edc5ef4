# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plausible but broken messages: a decoder gives what it says or an InputError, within its memory, and reads no more.

What must hold is in fuzz/target.py, for libFuzzer too (`python -m fuzz --seconds 15`).
"""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import ROOT
from helpers.messages import GOOD_CLOUD, INFO, JPEG, PNG, ROI, K, P, header
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.append(str(ROOT))

from fuzz import formats
from fuzz.target import DECODERS, Target
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import pose_from_transform, stamp_ns

fuzzed = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
sizes = st.one_of(st.integers(0, 40), st.sampled_from([2**16 + 1, 2**31 - 1, 2**32 - 1, -1]))
floats = st.floats(width=64)
target = {name: Target(name) for name in DECODERS}


@fuzzed
@given(st.data())
def test_any_image(data):
    encoding = data.draw(st.sampled_from([*formats.ENCODINGS, "?"]))
    fields = {name: data.draw(sizes) for name in ("height", "width", "step")}
    body = data.draw(st.binary(max_size=200))
    if data.draw(st.booleans()):  # sizes that agree, to get past the checks
        fields["height"], fields["width"] = (data.draw(st.integers(1, 6)) for _ in range(2))
        fields["step"] = fields["width"] * data.draw(st.integers(1, 8))
        body = (data.draw(st.binary(min_size=1)) * 300)[: fields["step"] * fields["height"]]
    message = SimpleNamespace(encoding=encoding, is_bigendian=data.draw(st.integers(0, 255)), data=body, **fields)
    decoded = target["image"].check(message, len(body))
    assert decoded is None or decoded.shape == (fields["height"], fields["width"], 3)


@fuzzed
@given(
    st.sampled_from([PNG, JPEG]), st.sampled_from([*formats.FORMATS, "?"]), st.integers(0, 500),
    st.binary(max_size=8), st.integers(0, 700),
)  # fmt: skip
def test_any_compressed_image(data, fmt, position, patch, length):
    damaged = (data[:position] + patch + data[position + len(patch) :])[:length]
    decoded = target["compressed"].check(SimpleNamespace(format=fmt, data=damaged), len(damaged))
    assert decoded is None or (decoded.ndim == 3 and decoded.dtype == np.uint8)


field = st.builds(
    SimpleNamespace,
    name=st.sampled_from([*formats.NAMES, "?"]),
    offset=st.one_of(st.integers(0, 30), st.just(2**32 - 1)),
    datatype=st.integers(0, 9),
    count=st.one_of(st.integers(0, 3), st.just(2**32 - 1)),
)


@fuzzed
@given(st.data())
def test_any_cloud(data):
    point_step, width, height = (data.draw(sizes) for _ in range(3))
    extra = data.draw(st.lists(field, max_size=3))
    message = SimpleNamespace(
        header=header(data.draw(st.sampled_from([0, 1, 10**18]))),
        fields=data.draw(st.one_of(st.just([*GOOD_CLOUD.fields, *extra]), st.lists(field, max_size=5))),
        point_step=point_step,
        width=width,
        height=height,
        row_step=data.draw(st.one_of(sizes, st.just(min(width * point_step, 2**32 - 1)))),
        is_bigendian=data.draw(st.booleans()),
        data=data.draw(st.binary(min_size=1)) * data.draw(st.sampled_from([1, 100])),
    )
    target["cloud"].check(message, len(message.data))


@fuzzed
@given(st.data())
def test_any_camera_info(data):
    def mixed(good):
        values = st.lists(st.one_of(st.sampled_from([0.0, 1.0, 500.0]), floats), min_size=0, max_size=12)
        return data.draw(st.one_of(st.just(good), values))

    roi = SimpleNamespace(**{name: data.draw(sizes) for name in ("x_offset", "y_offset", "width", "height")})
    message = SimpleNamespace(
        **{name: data.draw(st.one_of(st.just(640), sizes)) for name in ("width", "height")},
        **{name: data.draw(st.one_of(st.just(0), sizes)) for name in ("binning_x", "binning_y")},
        distortion_model=data.draw(st.sampled_from([*formats.LENSES, "?"])),
        roi=data.draw(st.sampled_from([ROI, roi])),
        k=mixed(K),
        p=mixed(P),
        d=mixed(INFO.d),
        r=mixed(np.eye(3).ravel().tolist()),
        header=header(),
        rectified=data.draw(st.booleans()),
    )
    target["camera"].check(message, 0)


@fuzzed
@given(st.lists(floats, min_size=7, max_size=7), st.integers(-(2**40), 2**40), st.integers(-1, 2**32))
def test_any_transform_and_stamp(numbers, sec, nanosec):
    translation, rotation = (
        SimpleNamespace(**dict(zip(names, numbers[at:], strict=False))) for names, at in (("xyz", 4), ("xyzw", 0))
    )
    for decode in (
        lambda: pose_from_transform(SimpleNamespace(translation=translation, rotation=rotation)).rotation,
        lambda: stamp_ns(SimpleNamespace(sec=sec, nanosec=nanosec), 10**18),
    ):
        try:
            found = decode()
        except InputError as error:
            assert error.reason and str(error)
        else:
            assert np.allclose(found @ found.T, np.eye(3)) if isinstance(found, np.ndarray) else 0 < found < 2e18


BAGS = [file.read_bytes() for file in sorted((ROOT / "fuzz" / "corpus" / "bag").iterdir())]


@fuzzed
@given(
    st.sampled_from(BAGS), st.integers(0, 2000), st.one_of(st.binary(max_size=8), st.just(b"\xff" * 8)), st.floats(0, 1)
)
def test_any_bag(data, position, patch, share):
    damaged = data[:position] + patch + data[position + len(patch) :]
    damaged = damaged[: len(damaged) if share > 0.5 else int(2 * share * len(damaged))]
    target["bag"].check(target["bag"].build(damaged), len(damaged))


@pytest.mark.parametrize("name", DECODERS)
def test_the_corpus_is_read_as_before(name):
    """Inputs that reached new code once; sound messages are among them."""
    inputs = [file.read_bytes() for file in sorted((ROOT / "fuzz" / "corpus" / name).iterdir())]
    decoded = [target[name].check(target[name].build(data), len(data)) for data in inputs]
    assert len(inputs) > 4 and sum(d is not None for d in decoded) > 3


def test_the_fuzzer_finds_what_escapes(tmp_path):
    """A decoder without its guard against a false width is caught by the checks within a few inputs."""
    pytest.importorskip("atheris")
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import sys\n"
        "sys.argv = ['loop', 'image', *sys.argv[1:], '-runs=2000', '-seed=1']\n"
        "import i2p_ros.core.messages.images as images\n"
        "images._check_size = lambda *_: None\n"
        "import runpy; runpy.run_module('fuzz.loop', run_name='__main__')\n"
    )
    arguments = [tmp_path / "figures", ROOT / "fuzz" / "corpus" / "image", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [sys.executable, broken, *arguments], cwd=ROOT, env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0 and "Uncaught Python exception" in done.stderr + done.stdout
