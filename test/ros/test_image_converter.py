# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages without cv_bridge, with one that works, and with some that do not."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")

from i2p_ros.core.messages import image_from_message
from i2p_ros.ros import messages
from i2p_ros.ros.image_converter import rgb_message

HEAD = messages.header(1_700_000_000_123_456_789, "here")
WORKS = """
class CvBridge:
    def cv2_to_imgmsg(self, cvim, encoding, header):
        from sensor_msgs.msg import Image
        return Image(header=header, encoding=encoding, height=1, width=1, step=3, data=b'abc')
"""
FAILS = {  # as seen with a cv_bridge for NumPy 1 and OpenCV 4: beside NumPy 2, and beside OpenCV 5
    "numpy2": "import sys\nprint('_ARRAY_API not found', file=sys.stderr)\nraise ImportError('multiarray')",
    "opencv5": WORKS.replace("from sensor_msgs", "raise KeyError(16)\n        from sensor_msgs"),
}
CHOICE = """
from i2p_ros.ros.image_converter import converter
print(converter().__module__)
"""


def choice(folder, content=None):
    """The module of the conversion that is chosen where cv_bridge has this content, and what is printed as errors."""
    if content is not None:
        (folder / "cv_bridge.py").write_text(content)
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n{CHOICE}"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout.strip(), done.stderr


@pytest.mark.skipif(find_spec("cv_bridge") is not None, reason="needs an environment without cv_bridge")
def test_cv_bridge_may_be_missing(tmp_path):
    assert choice(tmp_path) == ("i2p_ros.ros.image_converter", "")


def test_a_cv_bridge_that_works_is_used(tmp_path):
    assert choice(tmp_path, WORKS) == ("cv_bridge", "")


@pytest.mark.parametrize("content", FAILS.values(), ids=FAILS)
def test_a_cv_bridge_that_fails_is_not_used_and_prints_nothing(tmp_path, content):
    assert choice(tmp_path, content) == ("i2p_ros.ros.image_converter", "")


@pytest.mark.parametrize("cut", [np.s_[:, :], np.s_[::2, 3:9], np.s_[::-1, ::3]], ids=["whole", "rows", "steps"])
def test_an_image_survives(cut):
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)[cut]
    message = rgb_message(image, "rgb8", HEAD)
    assert message.header == HEAD and message.step == 3 * image.shape[1]
    np.testing.assert_array_equal(image_from_message(message), image)


@pytest.mark.parametrize("image", [np.zeros((4, 5)), np.zeros((4, 5), np.uint8), np.zeros((4, 5, 4), np.uint8)])
def test_other_arrays_are_refused(image):
    with pytest.raises(TypeError, match="expected"):
        rgb_message(image, "rgb8", HEAD)
