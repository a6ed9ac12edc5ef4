# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
#   docker build -t i2p_ros .                                on a GPU machine: --build-arg EXTRAS=[gpu]
#   docker run --rm -it --net=host --ipc=host i2p_ros ros2 launch i2p_ros kitti_replay.launch.py rviz:=false
FROM ros:jazzy-ros-base

RUN apt-get update && apt-get install -y --no-install-recommends \
    python3-pip python3-venv ros-jazzy-cv-bridge ros-jazzy-sensor-msgs-py ros-jazzy-tf2-ros-py \
    && rm -rf /var/lib/apt/lists/*

# The dependencies go into a virtual environment; the package itself is left to colcon. NumPy: cv_bridge of Jazzy is built
# against version 1. Without it the nodes make image messages by themselves.
ARG EXTRAS=
# where TensorRT's libraries are, which the extra gpu asks for
ARG INDEX=https://pypi.nvidia.com
RUN python3 -m venv --system-site-packages /opt/venv
COPY . /ws/src/i2p_ros
RUN /opt/venv/bin/pip install --no-cache-dir --extra-index-url "${INDEX}" "numpy<2" "/ws/src/i2p_ros${EXTRAS}" && /opt/venv/bin/pip uninstall -y i2p_ros
ENV PYTHONPATH=/opt/venv/lib/python3.12/site-packages

RUN . /opt/ros/jazzy/setup.sh && cd /ws && colcon build --packages-select i2p_ros
RUN printf '#!/bin/bash\nset -e\n. /ws/install/setup.bash\nexec "$@"\n' > /entrypoint.sh && chmod +x /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
CMD ["ros2", "launch", "i2p_ros", "localizer.launch.py"]
