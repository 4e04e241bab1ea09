"""The map page in a real browser: every control does what it says, and nothing is asked of other sites."""

import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from io import BytesIO
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from viewer_factory import paint, say

from hierars_geo.taxonomy import depth_colors
from hierars_geo.taxonomy.depth import adaptive_classes, adaptive_taxonomy

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("hierars_geo.viewer")

#: Debian's; the one that Playwright would download works as well.
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--force-color-profile=srgb"]
SANDBOX = ["--no-sandbox"]  # Chromium refuses to run as root with one
PATIENCE_S = 30
UNSURE = (128, 128, 128)
#: Behind the words of a notice.
NOTICE = (255, 244, 224)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def address(painted, moved):
    """A server as the command starts it, ended by Ctrl-C."""
    command = [sys.executable, "-m", "hierars_geo", "view", str(painted.folder), str(moved.folder)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--no-browser"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    url = process.stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:"), process.stderr.read()
    yield url
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (0, "")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS + SANDBOX)
        yield running
        running.close()


@pytest.fixture(scope="module")
def tab(browser, address):
    """One tab with a record of what went wrong and what it asked for."""
    page = browser.new_page(viewport={"width": 1100, "height": 760})
    page.set_default_timeout(PATIENCE_S * 1000)
    page.complaints, page.asked = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    return page


@pytest.fixture
def page(tab, address):
    """The page as it is when it has just been opened."""
    tab.set_viewport_size({"width": 1100, "height": 760})
    tab.goto(address)
    tab.wait_for_selector("html[data-ready]", state="attached")
    yield tab
    assert tab.complaints == []
    assert [url for url in tab.asked if not url.startswith((address, f"blob:{address}"))] == []


def colors(page, left=0.0, right=1.0):
    """Colours of at least 1 % of a part of the map (shares of its width), but paper and buttons."""
    stage = page.locator("#stage").bounding_box()
    shot = Image.open(BytesIO(page.screenshot(clip=stage))).convert("RGB")
    part = np.asarray(shot)[:, int(left * shot.width) : int(right * shot.width)].reshape(-1, 3)
    counted = Counter(map(tuple, part.tolist()))
    return {color for color, count in counted.items() if count > len(part) / 100 and min(color) < 230}


def becomes(expected, found):
    """Wait until a function returns what is expected."""
    deadline = time.monotonic() + PATIENCE_S
    while (now := found()) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    assert now == expected


def of_level(painted, level):
    mapped = painted.leaf[painted.leaf >= 0]
    return {
        painted.taxonomy.colors(level)[index] for index in set(painted.taxonomy.lift(mapped, level).tolist())
    }


def of_depth(painted, threshold):
    found, colors_of = set(), depth_colors(painted.taxonomy, (UNSURE,))
    for row, col in np.argwhere(painted.leaf >= 0)[::97].tolist():
        reached = [n for n in (1, 2, 3) if painted.confidence[n][row, col] >= threshold]
        level = max(reached, default=0)
        found.add(colors_of[level - 1][painted.index(row, col, level)] if reached else UNSURE)
    return found


def test_the_finest_level_is_there_in_time(page, painted, address, capsys):
    becomes(of_level(painted, 3), lambda: colors(page))
    first_ms = page.evaluate("performance.getEntriesByName('first map')[0].duration")
    tiles = sorted({url for url in page.asked if "/tiles/" in url})
    took_ms = []
    for url in tiles * 3:
        start = time.perf_counter()
        with urlopen(url) as answer:
            answer.read()
        took_ms.append(1000 * (time.perf_counter() - start))
    median_ms = statistics.median(took_ms)
    with capsys.disabled():
        print(
            f" first map {first_ms:.0f} ms, {len(tiles)} tiles from cache median {median_ms:.1f} ms", end=""
        )
    assert median_ms < 50
    assert first_ms < 1000 * PATIENCE_S  # 2 s on a machine that does nothing else


def test_levels_by_key_and_by_button(page, painted):
    page.keyboard.press("1")
    becomes(of_level(painted, 1), lambda: colors(page))
    page.get_by_role("radio", name="L2").check()
    becomes(of_level(painted, 2), lambda: colors(page))
    becomes("L2", lambda: page.locator("#areas-note").inner_text()[:2])
    page.keyboard.press("3")
    becomes(of_level(painted, 3), lambda: colors(page))
    assert page.get_by_role("radio", name="L3 · 18 classes").is_checked()


def test_levels_blend_by_opacity(page, painted):
    page.keyboard.press("1")
    page.get_by_role("slider", name="Opacity of L3").fill("50")
    paddy = painted.taxonomy.class_index("Paddy field", 3)
    mixed = np.mean(
        [painted.taxonomy.colors(1)[painted.taxonomy.lift(paddy, 1)], painted.taxonomy.colors(3)[paddy]], 0
    )
    becomes(True, lambda: any(np.abs(np.subtract(color, mixed)).max() <= 2 for color in colors(page)))


def test_the_palette_can_be_muted(page, painted):
    """Half of the way to grey, on the map as in the legend; the tree's own colours come back."""
    own = of_level(painted, 3)
    page.get_by_label("Muted colours").check()
    expected = {tuple(np.round((np.array(color) + np.mean(color)) / 2).astype(int).tolist()) for color in own}

    def near():
        found = colors(page)
        return len(found) == len(expected) and all(
            min(np.abs(np.subtract(a, b)).max() for b in expected) <= 2 for a in found
        )

    becomes(True, near)
    swatch = page.locator("#legend .swatch").first
    assert "muted-colors" in swatch.evaluate("element => getComputedStyle(element).filter")
    page.keyboard.press("m")
    becomes(own, lambda: colors(page))


def test_the_mouse_says_where_it_is(page, painted):
    box = page.locator("#left").bounding_box()
    assert page.locator("#place").is_hidden()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    becomes(True, page.locator("#place").is_visible)
    lat, lon = map(float, re.findall(r"[\d.]+", page.locator("#place").inner_text()))
    expected = painted.lonlat(79.5, 79.5)  # the middle of the scene
    assert (lon, lat) == pytest.approx(expected, abs=2e-4)
    page.mouse.move(box["x"] + box["width"] + 60, box["y"] + 10)  # over the panel
    becomes(True, page.locator("#place").is_hidden)


def test_adaptive_depth_follows_its_slider(page, painted):
    page.get_by_role("radio", name="Adaptive depth").check()
    becomes(of_depth(painted, 70), lambda: colors(page))
    for threshold in (55, 100):
        page.locator("#threshold").fill(str(threshold))
        becomes(of_depth(painted, threshold), lambda: colors(page))
    assert colors(page) == {UNSURE}


def test_a_promise_stands_under_its_slider(page, address):
    assert page.locator("#promise").count() == 0

    def promising(route):
        answer = route.fetch().json()
        answer["views"][0]["promise"] = {"threshold": 64, "text": "At most 10 % are wrong."}
        route.fulfill(json=answer)

    page.route("**/views", promising)
    try:
        page.reload()
        page.wait_for_selector("html[data-ready]", state="attached")
        assert page.locator("#threshold").input_value() == "64"
        assert page.locator("#promise").inner_text() == "At 64 %: At most 10 % are wrong."
    finally:
        page.unroute("**/views")


def test_sets_of_siblings_are_painted_listed_and_named(page, moved):
    tree = moved.taxonomy
    page.locator("#scene").select_option("1")
    page.keyboard.press("a")
    legend = adaptive_taxonomy(tree, sets=True, unsure=UNSURE)
    values = {each: value for value, each in enumerate(adaptive_classes(tree, sets=True), start=1)}
    said = {say(moved, row, col) for row, col in np.argwhere(moved.leaf >= 0)[::7].tolist()}
    named = {each: legend.class_names(1)[values.get(each, 0)] for each in said}
    becomes({legend.colors(1)[values.get(each, 0)] for each in said}, lambda: colors(page))
    sets = {named[each].removeprefix("L2 ") for each in said if len(each[1]) > 1}
    assert sets
    becomes(sets, lambda: set(page.locator("#legend .set span:nth-child(2)").all_inner_texts()))
    assert "at most 10 % show a wrong one" in page.locator("#adaptive-note").inner_text()
    box = page.locator("#left").bounding_box()
    page.locator("#left canvas").click(position={"x": box["width"] / 2 + 30, "y": box["height"] / 2 - 30})
    becomes(1, page.locator(".pixel tr.adaptive").count)
    assert page.locator(".pixel tr.adaptive td").inner_text() == named[say(moved, 76, 83)][3:]
    page.keyboard.press("1")
    becomes(0, page.locator("#legend .set").count)


def test_confidence_and_image(page, painted):
    page.keyboard.press("c")
    becomes(2, lambda: len(colors(page)))  # 60 and 30 per cent
    assert page.get_by_text("Confidence of L3").is_visible()
    page.get_by_role("slider", name="Opacity of Confidence").fill("0")
    becomes(set(), lambda: colors(page))  # the image: every pixel has its own colour
    page.keyboard.press("i")
    becomes("0", lambda: page.get_by_role("slider", name="Opacity of Image underneath").input_value())


def test_the_legend_shows_a_class_with_its_parents_and_children(page, painted):
    tree = painted.taxonomy
    button = page.get_by_role("button", name="Cropland", exact=True)
    button.click()
    becomes({tree.colors(3)[0], tree.colors(3)[1]}, lambda: colors(page))
    assert button.get_attribute("aria-pressed") == "true"
    page.keyboard.press("1")
    becomes({tree.colors(1)[0]}, lambda: colors(page))
    page.get_by_role("button", name="Show all classes").click()
    page.keyboard.press("3")
    becomes(of_level(painted, 3), lambda: colors(page))
    river = page.get_by_role("button", name="River")
    river.focus()
    page.keyboard.press("Enter")
    becomes({tree.colors(3)[tree.class_index("River", 3)]}, lambda: colors(page))
    page.keyboard.press("Escape")
    becomes("false", lambda: river.get_attribute("aria-pressed"))


def test_a_click_answers_the_path_of_the_pixel(page, painted):
    box = page.locator("#left").bounding_box()
    page.locator("#left canvas").click(position={"x": box["width"] / 2 - 30, "y": box["height"] / 2 - 30})
    expected = [painted.taxonomy.class_names(n)[painted.index(76, 76, n)] for n in (1, 2, 3)]
    cells = page.locator(".pixel td:nth-child(2)")
    becomes(expected, cells.all_inner_texts)
    assert page.locator(".pixel td:last-child").all_inner_texts() == ["95 %", "80 %", "60 %"]
    page.keyboard.press("Escape")
    becomes(0, cells.count)
    page.keyboard.press("q")
    becomes(3, cells.count)


def test_areas_follow_the_view(page, painted):
    mapped, tree = painted.leaf[painted.leaf >= 0], painted.taxonomy

    def measured():
        """Classes beside whose name an area stands."""
        return {
            row.get_attribute("aria-label")
            for row in page.locator("#legend button").all()
            if row.locator(".figure").inner_text()
        }

    leaves = set(mapped.tolist())
    every = {tree.class_names(n)[tree.lift(leaf, n)] for n in (1, 2, 3) for leaf in leaves}
    becomes(every, measured)  # of a parent the sum of what is in it
    page.keyboard.press("1")
    becomes({"Vegetation", "Water", "Artificial surface"}, measured)
    becomes(True, page.locator("#busy").is_hidden)  # once the tiles are there, too
    page.get_by_role("button", name="Zoom in").click()
    becomes(True, lambda: 50 < hectares(page) < 100)  # a quarter of 240 ha


def hectares(page):
    note = page.locator("#areas-note").inner_text()
    return float(note.split(": ")[1].split(" ha")[0])


def test_two_predictions_are_swiped(page, painted, moved):
    page.keyboard.press("s")
    divider = page.get_by_role("slider", name="Border between the two predictions")
    assert divider.get_attribute("aria-valuenow") == "50"
    left_half, right_half = painted.leaf[:150, :80], moved.leaf[:150, 80:]
    leaf_colors = painted.taxonomy.colors(3)
    becomes({leaf_colors[k] for k in set(left_half.flat)}, lambda: colors(page, 0, 0.48))
    becomes({leaf_colors[k] for k in set(right_half.flat)}, lambda: colors(page, 0.52, 1))
    shown = page.locator("#stage").bounding_box()
    page.mouse.click(shown["width"] * 0.6, shown["height"] / 2 - 30)
    becomes(2, page.locator("#answer .pixel").count)  # both answer, and the border cuts neither
    assert "second/scene" in page.locator("#answer").inner_text()
    page.keyboard.press("Escape")
    stage, handle = page.locator("#stage").bounding_box(), divider.bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + 300)
    page.mouse.down()
    page.mouse.move(stage["width"] * 0.98, handle["y"] + 300, steps=4)
    page.mouse.up()
    becomes("98", lambda: divider.get_attribute("aria-valuenow"))
    becomes(of_level(painted, 3), lambda: colors(page, 0, 0.95))
    divider.focus()
    page.keyboard.press("Home")
    becomes(of_level(moved, 3), lambda: colors(page, 0.05, 1))
    page.keyboard.press("s")
    becomes(of_level(painted, 3), lambda: colors(page))


def test_help_lists_the_keys(page):
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    assert dialog.is_visible()
    assert "adaptive depth" in dialog.inner_text()
    dialog.get_by_role("button", name="Close").click()
    assert not dialog.is_visible()


def test_the_map_moves_by_keyboard(page):
    page.locator("#left canvas").focus()
    with page.expect_request("**/areas/**"):
        page.keyboard.press("ArrowLeft")


def test_every_control_has_a_name(page):
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('input, select, button, [role=slider]')].filter((control) =>
            !(control.labels?.length || control.getAttribute('aria-label') || control.textContent.trim())
        ).map((control) => control.outerHTML)"""
    )
    assert unnamed == []


def test_it_works_at_the_width_of_a_phone(page, address, painted):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    becomes(of_level(painted, 3), lambda: colors(page))
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#stage").bounding_box()["height"] > 300
    page.get_by_role("radio", name="L1").check()
    becomes(of_level(painted, 1), lambda: colors(page))
    page.get_by_role("button", name="Bare land").scroll_into_view_if_needed()
    assert page.locator("#legend").evaluate("list => list.scrollWidth <= list.clientWidth")


def test_maps_that_are_predicted_again_are_shown_as_they_are_now(page, moved):
    page.locator("#scene").select_option("1")
    becomes(of_level(moved, 3), lambda: colors(page))
    before = {path: path.read_bytes() for path in moved.folder.iterdir()}
    other = paint(moved.folder, shift=9, confidence=False)
    try:
        page.keyboard.press("q")
        becomes(of_level(other, 3), lambda: colors(page) - {NOTICE})
        assert "have changed" in page.locator("#notice").inner_text()
        page.reload()
        page.locator("#scene").select_option("1")
        becomes(of_level(other, 3), lambda: colors(page))
    finally:
        for path, content in before.items():
            path.write_bytes(content)
