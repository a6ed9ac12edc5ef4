#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A depth image of 16 bits (mode I;16), 2000 mm everywhere, is turned by 10 degrees or shifted by part of a pixel with
# Pillow, as when training data are augmented.
#
# Expected: 2000 within the picture, or an error, as other filters raise one for I;16.
# Seen in Pillow 11.3.0 and 13.0.0: rotate and transform with BILINEAR or BICUBIC interpolate single bytes, and give
# values from 8 to 205. The mode stays I;16, and nothing is said. resize gives 2000, as does rotate with NEAREST, and
# everything for the mode I of 32 bits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import numpy as np
import PIL
from PIL import Image

NEAREST, BILINEAR, BICUBIC = Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
shift = (1, 0, 0.25, 0, 1, 0.25)
depth = Image.fromarray(np.full((16, 16), 2000, np.uint16))
wide = Image.fromarray(np.full((16, 16), 2000, np.int32))
results = {
    "resize, bilinear": depth.resize((11, 11), BILINEAR),
    "rotate, nearest": depth.rotate(10, NEAREST),
    "rotate, bilinear": depth.rotate(10, BILINEAR),
    "rotate, bicubic": depth.rotate(10, BICUBIC),
    "shift, bilinear": depth.transform((16, 16), Image.Transform.AFFINE, shift, BILINEAR),
    "rotate, bilinear, 32 bits": wide.rotate(10, BILINEAR),
}
inside = {name: np.asarray(image)[5:9, 5:9] for name, image in results.items()}
print(PIL.__version__, depth.mode, {name: (int(v.min()), int(v.max())) for name, v in inside.items()})
for name, values in inside.items():
    wrong = name in ("rotate, bilinear", "rotate, bicubic", "shift, bilinear")
    assert values.max() < 256 if wrong else (values == 2000).all(), "the behaviour has changed"
assert {image.mode for name, image in results.items() if "32" not in name} == {"I;16"}, "the behaviour has changed"
PYTHON
for version in 11.3.0 13.0.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "pillow==$version" numpy==2.4.6 2>/dev/null
    "$folder/$version/bin/python" -W ignore "$folder/run.py"
done
