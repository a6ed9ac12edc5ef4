# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sources of tf2_msgs/msg/TFMessage, made by the generators in the ROS wheels; same name, definition and hash."""

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

IDL = """#include "geometry_msgs/msg/TransformStamped.idl"
module tf2_msgs { module msg { struct TFMessage {
  sequence<geometry_msgs::msg::TransformStamped> transforms;
}; }; };
"""
HASH = "RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087"  # as `ros2 topic info -v /tf` prints
# rmw_fastrtps_cpp asks for two type supports. Both are linked into the one extension and handed out here, which spares
# the generated code's search for libtf2_msgs__*.so.
DISPATCH = """#include <string.h>
#include "rosidl_runtime_c/message_type_support_struct.h"
#include "tf2_msgs/msg/detail/tf_message__type_support.h"
#include "tf2_msgs/msg/detail/tf_message__functions.h"
#define HANDLE(ts) ROSIDL_TYPESUPPORT_INTERFACE__MESSAGE_SYMBOL_NAME(ts, tf2_msgs, msg, TFMessage)
const rosidl_message_type_support_t * HANDLE(rosidl_typesupport_fastrtps_c)(void);
const rosidl_message_type_support_t * HANDLE(rosidl_typesupport_introspection_c)(void);
static const rosidl_message_type_support_t * pick(
  const rosidl_message_type_support_t * self, const char * name)
{
  const rosidl_message_type_support_t * fast = HANDLE(rosidl_typesupport_fastrtps_c)();
  const rosidl_message_type_support_t * intro = HANDLE(rosidl_typesupport_introspection_c)();
  if (!strcmp(name, fast->typesupport_identifier)) {return fast;}
  if (!strcmp(name, intro->typesupport_identifier)) {return intro;}
  return strcmp(name, self->typesupport_identifier) ? NULL : self;
}
static const rosidl_message_type_support_t handle = {
  "rosidl_typesupport_c", NULL, pick,
  &tf2_msgs__msg__TFMessage__get_type_hash,
  &tf2_msgs__msg__TFMessage__get_type_description,
  &tf2_msgs__msg__TFMessage__get_type_description_sources,
};
const rosidl_message_type_support_t * HANDLE(rosidl_typesupport_c)(void) {return &handle;}
"""


@dataclass(frozen=True)
class Generated:
    """`package` is the Python package to be; `folders` are where headers lie; `sources` are to be compiled."""

    package: Path
    folders: list[Path]
    sources: list[Path]


def generate(work: Path) -> Generated:
    """Write all sources below the folder work."""
    logging.getLogger("rosidl_cli").setLevel(logging.ERROR)  # of the double registration that the next line is about
    # classes, not the `rosidl` command: it fails silently when a generator is registered twice, as in these wheels
    from rosidl_generator_c.cli import GenerateC
    from rosidl_generator_py.cli import GeneratePython
    from rosidl_typesupport_fastrtps_c.cli import GenerateFastRTPSCTypesupport
    from rosidl_typesupport_introspection_c.cli import GenerateIntrospectionCTypesupport

    os.environ["AMENT_PREFIX_PATH"] = sys.prefix  # where the generators look for their templates
    (work / "idl" / "msg").mkdir(parents=True)
    (work / "idl" / "msg" / "TFMessage.idl").write_text(IDL)
    share = Path(sys.prefix, "share")
    include = [str(share / package) for package in ("builtin_interfaces", "std_msgs", "geometry_msgs")]
    generators = {  # a folder for each: two of them write detail/tf_message__type_support.c
        "c": GenerateC("c"),
        "fastrtps": GenerateFastRTPSCTypesupport("fastrtps_c"),
        "introspection": GenerateIntrospectionCTypesupport("introspection_c"),
        "py": GeneratePython("py", typesupport_implementations=["rosidl_typesupport_c"]),
    }
    out = work / "out"
    for name, generator in generators.items():
        idl = [f"{work / 'idl'}:msg/TFMessage.idl"]
        generator.generate("tf2_msgs", idl, include, output_path=out / name / "tf2_msgs")
    if HASH not in (out / "c" / "tf2_msgs" / "msg" / "TFMessage.json").read_text():
        raise SystemExit(
            "the generated tf2_msgs has another type hash than the real one: other ROS wheels than pinned?"
        )
    (out / "dispatch.c").write_text(DISPATCH)
    package = out / "py" / "tf2_msgs"
    (package / "__init__.py").touch()
    return Generated(package, [out / name for name in generators], sorted([*out.rglob("*.c"), *out.rglob("*.cpp")]))
