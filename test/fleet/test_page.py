# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The fleet page in a real browser, from file://: clicks, keys, sizes, speed and hostile names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import FIRST_DRAW, PHONE, chromium, opened
from helpers.fleet_tables import fleet_rows, write_fleet

pytest.importorskip("plotly", reason="the page needs the extra fleet")
from i2p_ros.core.drifts import AXES
from i2p_ros.fleet.report import write_fleet_page

RANK = ["alarm", "warn", "unsure", "no verdict", "ok"]
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'&/%?#</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """index.html of 40 vehicles."""
    out = write_fleet(tmp_path_factory.mktemp("small") / "buses", fleet_rows(40))
    write_fleet_page(str(out), out / "page")
    return out / "page" / "index.html"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """index.html of 1,000 vehicles, of which 120 drift."""
    out = write_fleet(tmp_path_factory.mktemp("large") / "lake", fleet_rows(1000, windows=2))
    write_fleet_page(str(out), out / "page")
    return out / "page" / "index.html"


def levels(page: Any) -> list[str]:
    return [text.split(maxsplit=1)[1].lower() for text in page.locator("tbody .level").all_inner_texts()]


def names(page: Any) -> list[str]:
    return list(page.locator("tbody a.row").all_inner_texts())


def width(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.textContent"))


def tab_to(page: Any, selector: str, most: int = 60) -> None:
    """Press Tab until an element that fits has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by {most} tabs")


def test_three_clicks_lead_from_the_fleet_to_an_overlay(browser, small):
    with opened(browser, small) as page:
        worst = page.locator("tbody tr").first
        assert "moved by" in worst.inner_text() and "ALARM" in worst.inner_text()
        name = page.locator("a.row").first.inner_text()
        page.locator("tbody tr").first.click()
        page.wait_for_selector("[data-drawn=yes] .main-svg")
        assert name in page.locator("h1").inner_text()
        assert page.locator(".plot").count() == 6 and page.locator(".plot h3", has_text="moved").count() >= 1
        page.locator("a.row").first.click()
        page.wait_for_selector("h1:has-text('Window of')")
        page.locator("a.picture").click()
        picture = page.wait_for_selector(".overlay img")
        page.wait_for_function("document.querySelector('.overlay img').naturalWidth > 1000")
        assert picture.get_attribute("src").endswith(".webp")


def test_vehicles_come_worst_first_and_say_what_moved_by_how_much(browser, small):
    with opened(browser, small) as page:
        found = levels(page)
        assert len(found) == 40 and found == sorted(found, key=RANK.index)
        says = page.locator("tbody tr", has_text="ALARM").locator(".says").all_inner_texts()
        assert says and all("moved by" in text and "±" in text for text in says)


def test_a_vehicle_whose_recordings_were_all_refused_is_shown_with_the_reason(browser, small):
    with opened(browser, small) as page:
        row = page.locator("tbody tr", has_text="bus-0039")
        assert "NO VERDICT" in row.inner_text() and "refused:" in row.inner_text()
        row.locator("a").click()
        page.wait_for_selector("h2:has-text('Refused recordings')")
        assert page.locator("h2:has-text('Refused') + .card tbody tr").count() == 6
        recordings = page.locator("h2:text-is('Recordings') + .card tbody tr")
        assert recordings.count() == 6 and "refused: " in recordings.first.inner_text()


def test_refused_recordings_are_listed_with_codes_and_vehicles(browser, small):
    with opened(browser, small) as page:
        page.locator("a:has-text('refused')").click()
        page.wait_for_selector("h1:has-text('Refused recordings')")
        total = page.locator("tbody tr").count()
        assert total == 4 + 6  # of four vehicles one, and all of the last
        page.get_by_label("Reason").select_option("bag.file")
        assert 0 < page.locator("tbody tr").count() < total
        page.locator("tbody a").first.click()
        page.wait_for_selector("h1:has-text('bus-')")


def test_headers_sort_in_both_directions(browser, small):
    with opened(browser, small) as page:
        page.get_by_role("button", name="Vehicle").click()
        assert names(page) == sorted(names(page))
        assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Vehicle")
        page.get_by_role("button", name="Vehicle").click()
        assert names(page) == sorted(names(page), reverse=True)
        page.get_by_role("button", name="Shift at 10 m").click()
        shifts = page.locator("td[data-name^=shift]").all_inner_texts()
        sizes = [float(text.removesuffix(" cm")) if text else 0.0 for text in shifts]
        assert sizes == sorted(sizes, reverse=True) and sizes[0] > 5


def test_filters_by_text_level_and_task_are_in_the_address(browser, small):
    with opened(browser, small) as page:
        page.get_by_label("Search").fill("bus-003")
        assert len(names(page)) == 10
        page.locator("button[data-level=ok]").click()
        assert set(levels(page)) == {"ok"} and "level=ok" in page.url and "q=bus-003" in page.url
        page.get_by_label("Search").fill("")
        page.locator("button[data-level=ok]").click()
        page.get_by_label("Task").select_option("calibrate")
        assert names(page) and all(int(name[-4:]) % 20 == 7 for name in names(page))
        address = page.url
        page.get_by_label("Search").fill("no such bus")
        page.get_by_role("button", name="Show all").click()
        assert len(names(page)) == 40
    with opened(browser, small, "#" + address.split("#")[1]) as page:
        assert names(page) and all(int(name[-4:]) % 20 == 7 for name in names(page))


def test_the_back_button_returns_to_the_filtered_list_and_to_the_same_row(browser, small):
    with opened(browser, small) as page:
        page.locator("button[data-level=ok]").click()
        before, address = names(page), page.url
        page.locator("a.row").nth(12).click()
        page.wait_for_selector("h1:has-text('bus-')")
        page.go_back()
        page.wait_for_selector("#search")
        assert (names(page), page.url) == (before, address)
        assert focused(page) == before[12]
        page.go_forward()
        page.wait_for_selector(f"h1:has-text('{before[12]}')")


def test_the_keyboard_alone_leads_to_an_overlay_and_back(browser, small):
    with opened(browser, small) as page:
        tab_to(page, "a.row")
        name = focused(page)
        ring = "getComputedStyle(document.activeElement.closest('tr')).outlineStyle"
        assert page.evaluate(ring) == "solid"
        page.keyboard.press("Enter")
        page.wait_for_selector(f"h1:has-text('{name}')")
        tab_to(page, "a.row")
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('Window of')")
        title = page.locator("h1").inner_text()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("title => document.querySelector('h1').innerText !== title", arg=title)
        tab_to(page, "a.picture")
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('Overlay')")
        for heading in ("Window of", name, "Fleet"):
            page.keyboard.press("Escape")
            page.wait_for_selector(f"h1:has-text('{heading}')")
        assert focused(page) == name
        page.keyboard.press("/")
        page.keyboard.type("bus-0001")
        assert names(page) == ["bus-0001"]


def test_a_deep_link_opens_a_window_and_a_wrong_one_says_so(browser, small):
    with opened(browser, small) as page:
        page.locator("a.row").first.click()
        page.wait_for_selector("[data-drawn=yes]")
        link = page.locator("a.row").first.get_attribute("href")
    with opened(browser, small, link) as page:
        assert page.locator("h1").inner_text().startswith("Window of")
    for wrong in ("#/vehicle/nobody", "#/vehicle/bus-0001/nothing", "#/%E0%A4%A", "#/elsewhere"):
        with opened(browser, small, wrong) as page:
            assert page.locator("h1").inner_text() == "Not found"


def test_a_dot_of_a_plot_opens_its_window(browser, small):
    with opened(browser, small) as page:
        page.locator("a.row").first.click()
        page.wait_for_selector("[data-drawn=yes] .scatterlayer")
        page.get_by_label("Horizontal axis").select_option("time")
        page.wait_for_selector("[data-drawn=yes] .scatterlayer")
        page.get_by_label("Horizontal axis").select_option("even")
        page.wait_for_selector("[data-drawn=yes] .scatterlayer")
        dot = page.locator(".plot").first.locator("path.point").first.bounding_box()
        page.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
        page.mouse.click(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
        page.wait_for_selector("h1:has-text('Window of')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_scrolls_sideways_on_a_phone(browser, small, scheme):
    with opened(browser, small, size=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True) as page:
        assert width(page) == PHONE[0]
        page.get_by_label("Sort by").select_option("name")
        assert names(page) == sorted(names(page))
        page.get_by_label("Sort by").select_option("worst")
        page.locator("a.row").first.tap()
        page.wait_for_selector("[data-drawn=yes]")
        assert width(page) == PHONE[0]
        page.locator("a.row").first.tap()
        page.wait_for_selector("a.picture")
        assert width(page) == PHONE[0]
        page.locator("a.picture").tap()
        page.wait_for_selector(".overlay img")
        page.get_by_role("button", name="Actual size").tap()
        assert width(page) == PHONE[0]
        assert page.evaluate("document.querySelector('.overlay').scrollWidth") > 1000
        page.goto(f"{small.as_uri()}#/refused")
        page.wait_for_selector("h1:has-text('Refused')")
        assert width(page) == PHONE[0]


def contrast(page: Any, selector: str) -> float:
    """Ratio of luminances of the text and the page's background, as WCAG defines it."""
    code = """selector => {
      const linear = (x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
      const lum = (css) => {
        const c = document.createElement('canvas').getContext('2d');
        c.fillStyle = css;
        c.fillRect(0, 0, 1, 1);
        const v = [...c.getImageData(0, 0, 1, 1).data].slice(0, 3).map((x) => linear(x / 255));
        return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
      const text = lum(getComputedStyle(document.querySelector(selector)).color);
      const back = lum(getComputedStyle(document.body).backgroundColor);
      return (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
    }"""
    return float(page.evaluate(code, selector))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_levels_have_contrast_and_a_sign_beside_their_colour(browser, small, scheme):
    with opened(browser, small, color_scheme=scheme) as page:
        for level in ("alarm", "warn", "unsure", "ok", "none"):
            assert contrast(page, f".level.{level}") >= 4.5
        signs = {text.split()[0] for text in page.locator("tbody .level").all_inner_texts()}
        assert len(signs) == 5


def test_a_thousand_vehicles_are_drawn_within_two_seconds(browser, large):
    with opened(browser, large) as page:
        assert 0 < page.locator("tbody tr").count() < 200  # the rest is drawn when it is scrolled to
        assert page.evaluate(FIRST_DRAW) < 2000
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        assert paint < 2000
        assert page.locator(".count").inner_text() == "1,000 vehicles"
        assert page.evaluate("typeof Plotly") == "undefined"  # it is loaded for plots alone
        rows = "document.querySelectorAll('tbody tr').length"
        page.wait_for_function(f"window.scrollTo(0, document.body.scrollHeight), {rows} === 1000")


def test_a_vehicle_with_very_many_windows_has_plots_of_some_and_a_table_of_all(browser, tmp_path):
    out = write_fleet(tmp_path / "out", fleet_rows(2, recordings=4, windows=400, drifting=1.0))
    write_fleet_page(str(out), tmp_path / "page")
    with opened(browser, tmp_path / "page" / "index.html", "#/vehicle/bus-0000") as page:
        page.wait_for_selector("[data-drawn=yes]")
        assert page.locator(".thinned").inner_text().startswith("The plots show 800 of 1,600 windows")
        assert page.locator("button.more").first.inner_text() == "Show more: 1,580 rows left"
        page.locator("button.more").first.click()
        assert page.locator("a.row").count() == 40
        assert page.evaluate("document.activeElement === document.querySelectorAll('a.row')[20]")


def hovered(page: Any, plot: int, dot: int) -> str:
    """The text that the mouse finds at a dot of a plot."""
    box = page.locator(".plot").nth(plot).locator("path.point").nth(dot).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".hoverlayer .hovertext")
    return str(page.locator(".hoverlayer").nth(plot).text_content())


def vertical_range(page: Any, plot: int) -> list[float]:
    return list(page.evaluate(f"document.querySelectorAll('.js-plotly-plot')[{plot}].layout.yaxis.range"))


def test_an_unknown_interval_says_so_and_a_wide_one_hides_no_other(browser, tmp_path):
    rows = fleet_rows(2, recordings=4, drifting=0.0)
    windows = [row for row in rows["windows"] if row["vehicle"] == "bus-0000"]
    windows[0]["std_tx"] = None
    windows[1]["std_tz"] = 5.0  # m
    out = write_fleet(tmp_path / "out", rows)
    write_fleet_page(str(out), tmp_path / "page")
    with opened(browser, tmp_path / "page" / "index.html", "#/vehicle/bus-0000") as page:
        page.wait_for_selector("[data-drawn=yes] .scatterlayer")
        assert "± unknown" in hovered(page, 0, 0)
        low, high = vertical_range(page, 2)
        assert -20 < low < 0 < high < 20  # cm
        assert page.locator(".cut").inner_text().startswith("Long intervals leave the plots")


def test_plots_show_zero_and_all_that_moved(browser, tmp_path):
    out = write_fleet(tmp_path / "out", fleet_rows(2, recordings=1, drifting=1.0))  # drifts from the beginning
    write_fleet_page(str(out), tmp_path / "page")
    with opened(browser, tmp_path / "page" / "index.html", "#/vehicle/bus-0000") as page:
        page.wait_for_selector("[data-drawn=yes] .scatterlayer")
        moved = ["moved" in text for text in page.locator(".plot h3").all_inner_texts()]
        assert any(moved) and page.locator(".cut").count() == 0
        for plot in range(6):
            low, high = vertical_range(page, plot)
            ys = page.evaluate(f"document.querySelectorAll('.js-plotly-plot')[{plot}].data.flatMap((t) => t.y)")
            assert low < 0 < high and low < min(ys) and max(ys) < high


def test_axes_are_those_of_a_verdict_that_knows_the_drift(browser, tmp_path):
    rows = fleet_rows(2, recordings=4, drifting=0.0)
    newest = max((row for row in rows["verdicts"] if row["vehicle"] == "bus-0000"), key=lambda row: row["end"])
    none: dict[str, None] = {f"{prefix}{axis}": None for prefix in ("", "half_", "detectable_") for axis in AXES}
    rows["verdicts"].append(newest | none | {"task": "localize", "level": "unsure", "text": "3 of 10 pairs localized"})
    out = write_fleet(tmp_path / "out", rows)
    write_fleet_page(str(out), tmp_path / "page")
    with opened(browser, tmp_path / "page" / "index.html", "#/vehicle/bus-0000") as page:
        page.wait_for_selector("[data-drawn=yes]")
        assert "localize" in page.locator(".states li").first.inner_text()
        axes = page.locator("table.axes").inner_text()
        assert f"{100 * newest['tx']:+.2f} cm" in axes and "unknown" not in axes
        assert page.locator(".of").inner_text().startswith("The newest verdict of monitor")


def test_any_name_of_a_picture_is_found(browser, tmp_path):
    rows = fleet_rows(2, recordings=2, windows=1, drifting=0.0)
    for row in rows["windows"]:
        row["picture"] = "pictures/bus #1, 50%20 ?ü.webp"
    out = write_fleet(tmp_path / "out", rows)
    (out / "pictures" / "0.webp").rename(out / "pictures" / "bus #1, 50%20 ?ü.webp")
    write_fleet_page(str(out), tmp_path / "page")
    with opened(browser, tmp_path / "page" / "index.html", "#/vehicle/bus-0000") as page:
        page.locator("a.row").first.click()
        page.wait_for_function("document.querySelector('a.picture img')?.naturalWidth > 1000")


def test_names_and_texts_of_the_data_are_never_html(browser, tmp_path):
    rows = fleet_rows(3, drifting=1.0)
    for table in rows.values():
        for row in table:
            row |= {
                name: EVIL + row[name]
                for name in row.keys() & {"vehicle", "camera", "text", "reason", "code", "recording_id", "task", "uri"}
            }
            if "findings" in row:
                row["findings"] = [{"level": EVIL, "code": EVIL, "text": EVIL, "cure": EVIL}]
    out = write_fleet(tmp_path / "<b>fleet<b>", rows)
    write_fleet_page(str(out), tmp_path / "page")
    with opened(browser, tmp_path / "page" / "index.html") as page:
        assert page.locator("a.row").first.inner_text().startswith(EVIL)
        page.locator("a.row").first.click()
        page.wait_for_selector("[data-drawn=yes]")
        page.locator("details summary").first.click()
        page.locator("a.row").first.click()
        page.wait_for_selector("a.picture")
        page.locator("a.picture").click()
        page.wait_for_selector(".overlay img")
        page.goto(f"{(tmp_path / 'page' / 'index.html').as_uri()}#/refused")
        page.wait_for_selector("h1:has-text('Refused')")
        assert EVIL in page.locator("tbody").inner_text()
        assert page.locator("main img, main script").count() == 0
