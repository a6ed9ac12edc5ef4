# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cache of engines: corrupt, foreign and half-written files, two nodes at once, places that others can write to."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.engines import one_node

from i2p_ros.core.errors import InputError
from i2p_ros.runtime.engines import EngineCache, UnsafeCacheError, key_of

KEY = key_of({"weights": "a", "gpu": "b"})


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


def counting(builds: list[int], engine: bytes = b"engine") -> Callable[[], bytes]:
    def build() -> bytes:
        builds.append(1)
        return engine

    return build


def test_an_engine_is_built_once_and_loaded_after(cache: EngineCache) -> None:
    builds: list[int] = []
    assert cache.get(KEY, counting(builds), bytes) == (b"engine", "built")
    assert cache.get(KEY, counting(builds), bytes) == (b"engine", "loaded")
    assert len(builds) == 1


def _spoil(cut: slice | None, flip: int | None) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        content = bytearray(path.read_bytes())
        if flip is not None:
            content[flip] ^= 1
        path.write_bytes(content[cut] if cut else content)

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [_spoil(slice(0, 0), None), _spoil(slice(0, 20), None), _spoil(slice(0, -1), None), _spoil(None, -1),
     _spoil(None, 3), _spoil(None, 30), _spoil(None, 90)],
    ids=["empty", "head only", "cut short", "last byte", "magic", "key", "hash"],
)  # fmt: skip
def test_row_47_a_corrupt_engine_is_built_again(cache: EngineCache, spoil: Callable[[Path], None]) -> None:
    builds: list[int] = []
    cache.get(KEY, counting(builds), bytes)
    spoil(cache.path(KEY))
    assert cache.load(KEY) is None and not cache.path(KEY).exists()
    assert cache.get(KEY, counting(builds), bytes) == (b"engine", "built") and len(builds) == 2


def test_row_47_an_engine_of_something_else_is_built_again(cache: EngineCache) -> None:
    other, builds = key_of({"weights": "a", "gpu": "c"}), list[int]()
    cache.get(other, counting([]), bytes)
    cache.path(other).rename(cache.path(KEY))
    assert cache.get(KEY, counting(builds), bytes)[1] == "built" and builds


def test_row_47_an_engine_that_cannot_be_used_is_built_once_again(cache: EngineCache) -> None:
    cache.store(KEY, b"of another version")

    def use(engine: bytes) -> bytes:
        if engine != b"engine":
            raise RuntimeError("serialization version mismatch")
        return engine

    assert cache.get(KEY, counting([]), use) == (b"engine", "built")
    with pytest.raises(RuntimeError, match="mismatch"):
        cache.get(key_of({"x": 1}), counting([], b"never any good"), use)
    assert cache.load(key_of({"x": 1})) is None


def test_everything_that_an_engine_depends_on_is_in_its_key() -> None:
    parts = {
        "weights": "a",
        "shapes": [1, 5, 80, 256],
        "precision": "float16",
        "gpu": "x",
        "versions": ["2.11", "10.15"],
    }
    others = [{**parts, name: "changed"} for name in parts]
    assert len({key_of(parts), *map(key_of, others)}) == 1 + len(parts)
    assert key_of(dict(reversed(parts.items()))) == key_of(parts)


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(UnsafeCacheError, match="engine_cache_dir"):
        EngineCache(folder)
    with pytest.raises(UnsafeCacheError):
        EngineCache(folder / "below")  # whose owner could be swapped with it


def test_a_file_that_others_could_have_put_there_is_refused(cache: EngineCache, tmp_path: Path) -> None:
    cache.store(KEY, b"engine")
    cache.path(KEY).chmod(0o666)
    with pytest.raises(UnsafeCacheError):
        cache.load(KEY)
    cache.path(KEY).unlink()
    (tmp_path / "elsewhere").write_bytes(b"engine")
    cache.path(KEY).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeCacheError):
        cache.load(KEY)


def test_files_are_for_their_owner_alone(cache: EngineCache) -> None:
    cache.store(KEY, b"engine")
    assert cache.path(KEY).stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="engine_cache_dir"):
        EngineCache(tmp_path / "file" / "engines")


def test_nothing_half_written_is_left(cache: EngineCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        cache.store(KEY, b"engine")
    assert not [path for path in cache.path(KEY).parent.iterdir() if path.suffix != ".lock"]


def test_two_nodes_build_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    nodes = [context.Process(target=one_node, args=(str(tmp_path / "e"), str(tmp_path / "log"))) for _ in range(2)]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join(60)
    assert [node.exitcode for node in nodes] == [0, 0]
    assert (tmp_path / "log").read_text() == "built\n"
