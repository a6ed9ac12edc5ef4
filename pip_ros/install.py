# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Give a virtual environment what the pip wheels of ROS 2 lack: tf2_msgs, tf2_ros and part of sensor_msgs_py.

Run it with that environment's Python. Everything goes to the END of its path, so that a real ROS always wins.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import tf2_msgs_source

PACKAGES = Path(__file__).parent / "packages"
BUILT = Path(sys.prefix, "lib", "pip_ros")
LIBRARIES = (
    *(f"{package}__rosidl_generator_c" for package in ("builtin_interfaces", "std_msgs", "geometry_msgs")),
    "geometry_msgs__rosidl_generator_py",
    "geometry_msgs__rosidl_typesupport_fastrtps_c",
    "geometry_msgs__rosidl_typesupport_introspection_c",
    "rosidl_typesupport_fastrtps_c",
    "rosidl_typesupport_fastrtps_cpp",
    "rosidl_typesupport_introspection_c",
    "rosidl_runtime_c",
    "rcutils",
    "rmw",
    "fastcdr",
)


def main() -> None:
    """Build tf2_msgs and write the path file."""
    if sys.prefix == sys.base_prefix:
        raise SystemExit("run this with the Python of a virtual environment: it changes that environment's path")
    check_compiler()
    with tempfile.TemporaryDirectory() as folder:
        generated = tf2_msgs_source.generate(Path(folder))
        link(generated)
        shutil.copytree(generated.package, BUILT / "tf2_msgs", ignore=shutil.ignore_patterns("*.c"), dirs_exist_ok=True)
    Path(sysconfig.get_path("purelib"), "pip_ros.pth").write_text(f"{PACKAGES.absolute()}\n{BUILT}\n")
    print(f"built tf2_msgs in {BUILT}; {PACKAGES} is at the end of the path")


def check_compiler() -> None:
    """Exit with one line if tf2_msgs cannot be compiled here."""
    missing = [name for name in ("cc", "c++") if shutil.which(name) is None]
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing.append("Python.h")
    if missing:
        raise SystemExit(
            f"building tf2_msgs needs a C and a C++ compiler and Python's headers; not found: {', '.join(missing)}. "
            "Install gcc, g++ and python3-dev (Debian, Ubuntu: apt install build-essential python3-dev), then run again"
        )


def link(generated: tf2_msgs_source.Generated) -> None:
    """Compile every generated source into one extension module in the package's folder."""
    objects = [str(compiled(source, generated.folders)) for source in generated.sources]
    lib = Path(sys.prefix, "lib")
    paths = [f"-L{lib}", f"-Wl,-rpath,{lib}", f"-Wl,-rpath-link,{lib}"]
    target = generated.package / "tf2_msgs_s__rosidl_typesupport_c.so"
    call("c++", "-shared", "-o", str(target), *objects, *paths, *(f"-l{library}" for library in LIBRARIES))


def compiled(source: Path, folders: list[Path]) -> Path:
    """The object file of a C or C++ source."""
    import numpy

    ros = Path(sys.prefix, "include")
    include = [*folders, ros, *ros.glob("*/"), sysconfig.get_path("include"), numpy.get_include()]
    compiler = ("c++", "-std=c++17") if source.suffix == ".cpp" else ("cc", "-std=gnu11")
    target = source.with_name(f"{source.name}.o")
    call(*compiler, "-O2", "-fPIC", *(f"-I{path}" for path in include), "-c", str(source), "-o", str(target))
    return target


def call(*command: str) -> None:
    """Run a compiler; its messages only if it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        raise SystemExit(f"building tf2_msgs failed: {' '.join(command[:2])} ...\n{done.stderr}")


if __name__ == "__main__":
    main()
