# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The settings tree: one place for defaults, three ways to override, and no key that nobody reads."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pytest
import yaml

from i2p_ros.core.config import RENAMED, Settings, load_settings, validated
from i2p_ros.core.errors import I2PError, InputError, MissingPackageError, ModelError, SettingsError, one_line
from i2p_ros.core.parameters import leaves


def test_defaults_go_through_yaml_and_back(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(Settings().model_dump()))
    assert load_settings([tmp_path / "all.yaml"]) == load_settings() == Settings()


def test_later_wins_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("pnp: {iterations: 7, min_matches: 20}\ndevice: cpu\n")
    (tmp_path / "b.yaml").write_text("pnp:\n  iterations: 8\n")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "empty.yaml"]
    settings = load_settings(files, ["pnp.min_matches=30", " synthetic.drive = true"])
    assert (settings.pnp.iterations, settings.pnp.min_matches, settings.device) == (8, 30, "cpu")
    assert settings.synthetic.drive is True
    assert settings.matching == Settings().matching
    again = load_settings(overrides=["pnp.iterations=9"], base=settings)
    assert (again.pnp.iterations, again.pnp.min_matches) == (9, 30)
    assert settings.pnp.iterations == 8


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("pnp.threshold=1", r"no setting pnp\.threshold\. Did you mean 'pnp\.threshold_deg'"),
        ("nothing=1", "no setting nothing\\."),
        ("pnp.iterations=0", r"pnp\.iterations: .*greater than or equal to 1 \(got 0\)"),
        ("pnp.iterations=many", r"pnp\.iterations: .*integer"),
        ("device=tpu", "device: .*'auto', 'cpu' or 'cuda'"),
        ("pnp=3", "pnp: "),
        ("pnp.iterations.deep=3", r"pnp\.iterations: "),
        ("pnp.iterations", "a setting is written a.b=value, got 'pnp.iterations'"),
        ("threads=[", r"cannot read the value of 'threads=\['"),
        ("threads=100000", "threads: .*less than or equal to 256"),
        ("pnp.max_std_m=.inf", r"pnp\.max_std_m: .*finite"),
        ("pnp.threshold_deg=90", r"pnp\.threshold_deg: .*less than 90"),
        ("training.samples=7", r"^training: .*at least one batch of 8 -- "),
    ],
)
def test_a_wrong_override_names_its_key(override: str, match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        load_settings(overrides=[override])


def test_texts_are_not_read_as_numbers() -> None:
    settings = load_settings(overrides=["replay.drive=0052", "model= 7 ", "node.base_frame=yes", "replay.data="])
    assert (settings.replay.drive, settings.model, settings.node.base_frame) == ("0052", "7", "yes")
    assert settings.replay.data == ""


def test_every_refused_key_is_told_with_what_to_do() -> None:
    with pytest.raises(SettingsError, match="'i2p config' prints every setting") as caught:
        validated({"wrong": 1, "pnp": {"worse": 2}})
    assert all(f"no setting {key}." in str(caught.value) for key in ("wrong", "pnp.worse"))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("- a list", "must hold a YAML mapping, not a list"),
        ("a: [", "cannot read settings from"),
        (None, "cannot read"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str | None, match: str) -> None:
    path = tmp_path / "my.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match=match) as caught:
        load_settings([path])
    assert "my.yaml" in str(caught.value)


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_bytes(b"\xab\xff")
    with pytest.raises(SettingsError, match=r"my\.yaml.*UTF-8"):
        load_settings([tmp_path / "my.yaml"])
    (tmp_path / "my.yaml").write_text("a: [1\n")
    with pytest.raises(SettingsError) as caught:
        load_settings([tmp_path / "my.yaml"])
    assert "\n" not in str(caught.value)


def test_texts_of_others_are_one_line_and_not_endless() -> None:
    assert one_line(ValueError("a\n\tb")) == "a b"
    assert one_line(ValueError("x" * 999), 10) == "x" * 10 + " ..."


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Settings().pnp.iterations = 3  # type: ignore[misc]


def test_errors_are_one_family_and_carry_a_reason() -> None:
    for kind in (SettingsError, ModelError, MissingPackageError, InputError):
        assert issubclass(kind, I2PError)
    assert InputError("bad").reason == "input"
    assert InputError("bad", "cloud.layout").reason == "cloud.layout"


def test_a_renamed_setting_is_refused_with_its_new_name(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("monitor: {looks: 2}\npnp: {enough_confidence: 0.9}\n")
    both = r"^monitor\.looks is now monitor\.network_pairs; pnp\.enough_confidence is now pnp\.early_exit_confidence$"
    with pytest.raises(SettingsError, match=both):
        load_settings([tmp_path / "old.yaml"])
    with pytest.raises(SettingsError, match=r"^monitor\.looks is now monitor\.network_pairs$"):
        load_settings(overrides=["monitor.looks=2"])


def test_new_names_are_settings_and_old_names_are_not() -> None:
    names = {name for name, _, _ in leaves(Settings())}
    assert names >= {*RENAMED.values()} and not names & RENAMED.keys()
