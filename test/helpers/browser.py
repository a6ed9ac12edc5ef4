# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A page in the Chromium of the system, and all that it complained about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDE, PHONE = (1280, 900), (375, 740)
FIRST_DRAW = "performance.getEntriesByName('i2p first draw')[0]?.startTime"


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser. Skips where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Any, file: Path, hash_: str = "", size: tuple[int, int] = WIDE, **options: Any) -> Iterator[Any]:
    """A tab with file#hash, drawn. When it closes, there must have been no error and no request that failed."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    complaints: list[str] = []
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", lambda message: complaints.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.goto(f"{file.as_uri()}{hash_}")
    page.wait_for_function(FIRST_DRAW)
    try:
        yield page
    finally:
        context.close()
    assert not complaints, complaints
