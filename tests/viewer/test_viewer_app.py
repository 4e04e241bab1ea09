"""The map page's addresses: colours of tiles, the pixel query, areas, and what is refused."""

import json
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from pyproj import Transformer
from raster_factory import write_raster
from viewer_factory import NODATA_ROWS, SIDE_PX, add_adaptive, paint, say, tile_pixel, write_image

from hierars_geo.errors import HieraRSWarning, MissingFileError, RasterError
from hierars_geo.taxonomy import Taxonomy, depth_colors
from hierars_geo.taxonomy.depth import adaptive_classes, adaptive_taxonomy
from hierars_geo.viewer.scene_pixels import Selection

TestClient = pytest.importorskip("starlette.testclient").TestClient
viewer = pytest.importorskip("hierars_geo.viewer")
build_app, find_views = viewer.build_app, viewer.find_views
painting = pytest.importorskip("hierars_geo.viewer.painting")
Tile = painting.Tile

#: rio-tiler and rasterio still compose geotransforms by *.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

HERE = "http://127.0.0.1:8765"
PAGE_TYPES = ("text/javascript", "text/css", "image/svg+xml", "application/json")
PIXELS = [(5, 5), (5, 155), (60, 20), (60, 100), (100, 60), (130, 150)]


@pytest.fixture(scope="module")
def client(painted, moved):
    return TestClient(build_app(find_views([painted.folder, moved.folder])), base_url=HERE)


@pytest.fixture(scope="module")
def views(client):
    return client.get("/views").json()["views"]


def color_at(client, view, layer, lon, lat, **query):
    """RGBA of a place in the tile at the finest zoom."""
    (x, y), (col, row) = tile_pixel(lon, lat, view["maxZoom"])
    address = view["layers"][layer].format(z=view["maxZoom"], x=x, y=y)
    answer = client.get(address + "".join(f"&{key}={value}" for key, value in query.items()))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return Image.open(BytesIO(answer.content)).convert("RGBA").getpixel((col, row))


@pytest.mark.parametrize(
    ("options", "promised"),
    [({"depth_threshold": 0.64, "risk": 0.1}, 64), ({"depth_threshold": "0.64"}, None), ([], None)],
)
def test_the_page_is_told_what_the_adaptive_map_promises(tmp_path, options, promised):
    scene = paint(tmp_path)
    item = tmp_path / f"{scene.name}.json"
    content = json.loads(item.read_text())
    notes = ["bands in file order", "Adaptive map: Of all pixels shown, at most 10 % are wrong."]
    content["properties"] |= {"hierars:notes": notes, "hierars:options": options}
    item.write_text(json.dumps(content))
    (view,) = TestClient(build_app(find_views([tmp_path])), base_url=HERE).get("/views").json()["views"]
    told = {"threshold": promised, "text": "Of all pixels shown, at most 10 % are wrong."}
    assert view["promise"] == (None if promised is None else told)


def test_tiles_have_the_colours_of_the_tree(client, views, painted):
    for row, col in PIXELS:
        lon, lat = painted.lonlat(row, col)
        for level in (1, 2, 3):
            expected = (*painted.color(row, col, level), 255)
            assert color_at(client, views[0], f"L{level}", lon, lat) == expected
    assert color_at(client, views[0], "L3", *painted.lonlat(SIDE_PX - 3, 50))[3] == 0


def test_zoomed_out_tiles_hold_no_colour_that_is_no_class(client, views, painted):
    lon, lat = painted.lonlat(80, 80)
    known = {(*color, 255) for color in painted.taxonomy.colors(3)} | {(255, 255, 255, 0)}
    for zoom in range(views[0]["maxZoom"] - 4, views[0]["maxZoom"]):
        (x, y), _ = tile_pixel(lon, lat, zoom)
        png = client.get(views[0]["layers"]["L3"].format(z=zoom, x=x, y=y)).content
        pixels = np.asarray(Image.open(BytesIO(png)).convert("RGBA")).reshape(-1, 4)
        found = {tuple(color) for color in np.unique(pixels, axis=0).tolist()}
        assert found <= known, zoom


@pytest.mark.parametrize(
    ("crs", "place"),
    [
        ("EPSG:32650", Affine.translation(5e5, 3.39e6) @ Affine.rotation(30) @ Affine.scale(10, -10)),
        ("EPSG:32650", Affine(10, 0, 5e5, 0, 10, 3.39e6)),
        ("EPSG:32633", Affine(10, 0, 5.2e5, 0, -10, 8.66e6)),
    ],
    ids=["turned", "south up", "at 78 north"],
)
def test_tiles_show_the_pixels_of_turned_and_northern_maps(tmp_path, crs, place):
    painted = paint(tmp_path, crs=crs, transform=place)
    app = TestClient(build_app(find_views([painted.folder])), base_url=HERE)
    (view,) = app.get("/views").json()["views"]
    for row, col in PIXELS:
        lon, lat = painted.lonlat(row, col)
        assert color_at(app, view, "L3", lon, lat) == (*painted.color(row, col, 3), 255)


def test_a_burst_of_tiles_is_painted_by_few_and_answered_whole(painted, monkeypatch):
    """Forty requests at once: no more of them are painted together than there are cores."""
    lock, now, most = threading.Lock(), 0, 0

    def slow(pixels, codes, colors):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.005)
        with lock:
            now -= 1
        return b"png"

    monkeypatch.setattr(painting, "_painted", slow)
    server = painting.TileServer(find_views([painted.folder]))
    with ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(server.paint, 0, "v", "L3", Tile(x, 5, 12)) for x in range(80)]
        assert [answer.result() for answer in asked] == [b"png"] * 80
    assert 1 <= most <= max(2, os.cpu_count() or 1)


def test_adaptive_depth_follows_the_threshold(client, views, painted):
    for row, col in PIXELS:
        lon, lat = painted.lonlat(row, col)
        for threshold in (0, 55, 70):
            reached = [n for n in (1, 2, 3) if painted.confidence[n][row, col] >= threshold]
            pale = depth_colors(painted.taxonomy, ((128, 128, 128),))[
                max(reached) - 1
            ]  # the coarser, the paler
            expected = (*pale[painted.index(row, col, max(reached))], 255)
            assert color_at(client, views[0], "depth", lon, lat, threshold=threshold) == expected
        assert color_at(client, views[0], "depth", lon, lat, threshold=96) == (128, 128, 128, 255)


def test_sets_of_siblings_are_painted_named_and_counted(tmp_path):
    painted = paint(tmp_path, confidence=False)
    add_adaptive(painted)
    tree = painted.taxonomy
    client = TestClient(build_app(find_views([tmp_path])), base_url=HERE)
    (view,) = client.get("/views").json()["views"]
    assert "depth" not in view["layers"]  # it needs confidence; what was written needs none
    assert view["adaptive"] == (
        "Each pixel shows the finest class or set of sibling classes that the model is at least 64 % sure "
        "of. Of the pixels that show a class, at most 10 % show a wrong one."
    )
    legend = adaptive_taxonomy(tree, sets=True, unsure=(128, 128, 128))
    values = {each: value for value, each in enumerate(adaptive_classes(tree, sets=True), start=1)}
    sets, by_name = set(), dict.fromkeys(legend.class_names(1), 0)
    for row, col in [(2, 60), *PIXELS]:
        level, members = say(painted, row, col)
        value = values.get((level, members), 0)
        color = legend.colors(1)[value]
        lon, lat = painted.lonlat(row, col)
        assert color_at(client, view, "adaptive", lon, lat) == (*color, 255)
        answer = client.get("/query/0", params={"lon": lon, "lat": lat}).json()
        said, title = answer["adaptive"], legend.class_names(1)[value]
        assert said["level"] == level
        assert title == (f"L{level} {said['name']}" if level else "no level sure")
        assert said["color"] == "#{:02x}{:02x}{:02x}".format(*color)
        if len(members) > 1:
            assert said["members"] == list(members)
            sets.add(said["name"])
            other = next(index for index in range(tree.num_classes[1]) if index not in members)
            for index, alpha in ((members[0], 255), (members[-1], 255), (other, 0)):
                assert color_at(client, view, "adaptive", lon, lat, only=f"2.{index}")[3] == alpha
    assert any(" or " in name for name in sets)
    west, south, east, north = view["bounds"]
    bounds = {"west": west - 1, "south": south - 1, "east": east + 1, "north": north + 1}
    areas = client.get("/areas/0", params={**bounds, "adaptive": ""}).json()["areas"]
    places = np.argwhere(painted.leaf >= 0).tolist()
    for row, col in places:
        by_name[legend.class_names(1)[values.get(say(painted, row, col), 0)]] += 100
    found = {f"L{each['level']} {each['name']}": each["area_m2"] for each in areas}
    found["no level sure"] = found.pop("L0 not sure of any level")
    assert found == pytest.approx({name: area for name, area in by_name.items() if area}, rel=0.06)
    elsewhere = dict(zip(("lon", "lat"), painted.lonlat(SIDE_PX - 3, 5), strict=True))
    assert client.get("/query/0", params=elsewhere).json()["adaptive"] is None


def test_a_class_is_shown_with_its_parents_and_children_only(client, views, painted):
    tree = painted.taxonomy
    cropland = tree.class_index("Cropland", 2)
    for row, col in PIXELS:
        lon, lat = painted.lonlat(row, col)
        inside = painted.index(row, col, 2) == cropland
        vegetation = painted.index(row, col, 1) == tree.class_index("Vegetation", 1)
        shown = [
            color_at(client, views[0], f"L{n}", lon, lat, only=f"2.{cropland}")[3] == 255 for n in (1, 2, 3)
        ]
        assert shown == [vegetation, inside, inside]


def test_below_a_class_only_its_own_pixels_stay_where_a_leaf_has_two_parents():
    tree = Taxonomy.from_yaml("crop10m")
    assert len(tree.paths) > tree.num_classes[-1]
    other, cropland = tree.class_index("other", 3), tree.class_index("cropland", 2)
    leaves, parents = np.array([[other, other]]), np.array([[1 - cropland, cropland]])
    assert Selection(2, cropland).keep(tree, 3, leaves, parents).tolist() == [[-100, other]]


def test_confidence_runs_from_dark_to_light(client, views, painted):
    lon, lat = painted.lonlat(20, 20)
    sure = color_at(client, views[0], "conf_L1", lon, lat)
    unsure = color_at(client, views[0], "conf_L3", *painted.lonlat(120, 120))
    assert sum(sure[:3]) > sum(unsure[:3])
    assert sure[3] == unsure[3] == 255


def test_the_image_is_found_beside_the_maps_and_stretched(client, views, painted):
    assert views[0]["image"] == "red, green, blue"
    assert views[1]["image"] is None
    west = color_at(client, views[0], "image", *painted.lonlat(20, 10))
    east = color_at(client, views[0], "image", *painted.lonlat(20, 150))
    assert west[0] < 40 < 215 < east[0]
    assert east[2] < 40 < 215 < west[2]


def test_a_query_answers_the_whole_path_with_confidences(client, painted):
    for row, col in PIXELS:
        lon, lat = painted.lonlat(row, col)
        path = client.get("/query/0", params={"lon": lon, "lat": lat}).json()["path"]
        assert [entry["index"] for entry in path] == [painted.index(row, col, n) for n in (1, 2, 3)]
        assert [entry["confidence"] for entry in path] == [painted.confidence[n][row, col] for n in (1, 2, 3)]
    lon, lat = painted.lonlat(20, 20)
    unknown = client.get("/query/1", params={"lon": lon, "lat": lat}).json()["path"]
    assert [entry["confidence"] for entry in unknown] == [None] * 3
    for lon, lat in (painted.lonlat(SIDE_PX - 3, 20), (0, 0), (500, -95)):
        assert client.get("/query/0", params={"lon": lon, "lat": lat}).json()["path"] == []


def test_what_is_unlike_the_training_ground_is_hatched_and_counted(tmp_path):
    painted = paint(tmp_path / "maps")
    aoa = np.where(painted.leaf < 0, 255, np.arange(SIDE_PX)[None, :] >= SIDE_PX // 4)
    write_raster(
        tmp_path / "maps" / "scene_aoa.tif",
        aoa,
        dtype="uint8",
        nodata=255,
        crs=painted.grid.crs,
        transform=painted.grid.transform,
    )
    client = TestClient(build_app(find_views([tmp_path / "maps"])), base_url=HERE)
    view = client.get("/views").json()["views"][0]
    west, south, east, north = view["bounds"]
    bounds = {"west": west, "south": south, "east": east, "north": north}
    areas = client.get("/areas/0", params={**bounds, "level": 1}).json()["areas"]
    total, outside = (sum(area[key] for area in areas) for key in ("area_m2", "outside_m2"))
    assert outside / total == pytest.approx(0.25, abs=0.02)
    colors = {"in": set(), "out": set(), "edge": set()}
    for col in range(20, 60):
        color = color_at(client, view, "L1", *painted.lonlat(20, col))[:3]
        colors["out" if col < SIDE_PX // 4 - 1 else "in" if col > SIDE_PX // 4 else "edge"] |= {color}
    assert (35, 35, 35) in colors["out"] - colors["in"]
    assert painted.color(20, 30, 1) in colors["out"]  # the class shows between the stripes


def test_areas_of_a_view_are_those_of_the_map(client, views, painted):
    west, south, east, north = views[0]["bounds"]
    bounds = {"west": west - 1, "south": south - 1, "east": east + 1, "north": north + 1}
    for level in (1, 3):
        areas = client.get("/areas/0", params={**bounds, "level": level}).json()["areas"]
        leaf = painted.leaf[painted.leaf >= 0]
        expected = np.bincount(painted.taxonomy.lift(leaf, level)) * 100.0
        found = {area["index"]: area["area_m2"] for area in areas}
        assert set(found) == set(np.flatnonzero(expected).tolist())
        for index, area_m2 in found.items():
            assert area_m2 == pytest.approx(expected[index], rel=0.04)
        total_m2 = SIDE_PX * (SIDE_PX - NODATA_ROWS) * 100
        assert sum(found.values()) == pytest.approx(total_m2, rel=0.01)
        assert [area["area_m2"] for area in areas] == sorted(found.values(), reverse=True)
    deep = client.get("/areas/0", params={**bounds, "threshold": 70}).json()["areas"]
    assert {area["level"] for area in deep} == {1, 2}
    lost = client.get("/areas/0", params={**bounds, "threshold": 100}).json()["areas"]
    assert [(area["level"], area["index"]) for area in lost] == [(0, 0)]
    elsewhere = {"west": 0, "south": 0, "east": 1, "north": 1, "level": 1}
    assert client.get("/areas/0", params=elsewhere).json()["areas"] == []


def test_the_page_is_told_the_class_tree(views):
    view = views[0]
    assert [level["name"] for level in view["levels"]] == ["L1", "L2", "L3"]
    vegetation = view["tree"][0]
    assert [child["name"] for child in vegetation["children"]] == ["Cropland", "Forest", "Grassland"]
    assert list(vegetation["children"][1]["indices"]) == ["2", "3"]  # a class that only repeats has one entry
    assert vegetation["children"][1]["children"] == []
    assert {"depth", "image", "conf_L2"} <= set(view["layers"])
    assert not {"depth", "image", "conf_L2"} & set(views[1]["layers"])
    assert [entry["title"] for entry in views] == ["first/scene", "second/scene"]


@pytest.mark.parametrize(
    "address",
    [
        "/tiles/0/..%2f..%2fscene_L1/0/0/0.png",
        "/tiles/0/%2e%2e/0/0/0.png",
        "/tiles/..%2f..%2fetc%2fpasswd",
        "/tiles/0/scene_L1.tif/0/0/0.png",
        "/tiles/7/L1/0/0/0.png",
        "/tiles/0/L9/0/0/0.png",
        "/tiles/1/depth/0/0/0.png?threshold=5",
        "/tiles/0/L1/3/8/0.png",
        "/tiles/0/L1/99/0/0.png",
        f"/tiles/0/L1/8/{'9' * 5000}/5.png",
        f"/tiles/{'9' * 5000}/L1/8/5/5.png",
        "/tiles/0/L1/8/-1/5.png",
        "/tiles/0/L1/8/٣/5.png",
        "/static/..%2fapp.py",
        "/static/../app.py",
        "/static/%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/static/vendor",
        "/scene.json",
        "/query/9?lon=0&lat=0",
        "/areas/0?west=0&south=0&east=1&north=1&level=4",
    ],
)
def test_what_is_not_in_the_lists_is_not_there(client, address):
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/tiles/0/depth/0/0/0.png", "threshold to be a whole number"),
        ("/tiles/0/depth/0/0/0.png?threshold=101", "threshold to be a whole number"),
        ("/tiles/0/L1/0/0/0.png?only=2.99", "LEVEL.INDEX"),
        ("/tiles/0/L1/0/0/0.png?only=../..", "LEVEL.INDEX"),
        ("/query/0?lon=east&lat=0", "lon to be a number"),
        ("/query/0?lon=nan&lat=0", "lon to be a number"),
        ("/areas/0?west=0&south=0&east=1&level=1", "north to be a number"),
    ],
)
def test_a_wrong_address_is_told_in_one_line(client, address, message):
    answer = client.get(address)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8765", ""]
)
def test_foreign_hosts_are_refused(client, host):
    for address in ("/", "/views", "/tiles/0/L1/0/0/0.png"):
        answer = client.get(address, headers={"Host": host}, follow_redirects=False)
        assert answer.status_code == 400
        assert "Vegetation" not in answer.text


def test_this_machine_is_answered_by_either_name(client):
    for host in ("127.0.0.1:8765", "localhost:8765", "localhost"):
        assert client.get("/", headers={"Host": host}).status_code == 200


def test_only_get_is_allowed(client):
    for method in ("post", "put", "delete", "patch", "options"):
        for address in ("/", "/views", "/tiles/0/L1/0/0/0.png", "/query/0", "/static/page.css"):
            assert getattr(client, method)(address).status_code == 405


def test_every_answer_keeps_the_browser_to_this_page(client):
    for address in ("/", "/views", "/static/main.js", "/tiles/0/L1/0/0/0.png", "/nothing"):
        headers = client.get(address).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "http" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in headers


def test_the_page_needs_no_other_site(client):
    page = client.get("/").text
    linked = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert linked
    assert all(address.startswith(("/static/", "/views")) for address in linked)
    for address in linked:
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] in PAGE_TYPES
    assert client.get("/static/vendor/maplibre-gl-worker.mjs").status_code == 200


def test_tiles_are_kept_and_change_address_with_the_file(client, views, painted):
    lon, lat = painted.lonlat(20, 20)
    (x, y), _ = tile_pixel(lon, lat, 12)
    answer = client.get(views[0]["layers"]["L1"].format(z=12, x=x, y=y))
    assert "immutable" in answer.headers["cache-control"]
    assert "?v=" in views[0]["layers"]["L1"]


def test_a_new_prediction_changes_addresses_and_kept_tiles(tmp_path):
    first = paint(tmp_path)
    client = TestClient(build_app(find_views([tmp_path])), base_url=HERE)
    (before,) = client.get("/views").json()["views"]
    lon, lat = first.lonlat(20, 20)
    assert color_at(client, before, "L3", lon, lat) == (*first.color(20, 20, 3), 255)
    second = paint(tmp_path, shift=7)
    (after,) = client.get("/views").json()["views"]
    assert after["version"] != before["version"]
    assert color_at(client, after, "L3", lon, lat) == (*second.color(20, 20, 3), 255)
    (x, y), _ = tile_pixel(lon, lat, 12)
    stale = client.get(before["layers"]["L3"].format(z=12, x=x, y=y))
    assert "immutable" not in stale.headers["cache-control"]
    assert client.get("/query/0", params={"lon": lon, "lat": lat}).json()["version"] == after["version"]


@pytest.mark.parametrize("crs", ["EPSG:32601", "EPSG:4326"])
def test_a_scene_across_180_is_there_on_both_sides(tmp_path, crs):
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(180, 60)
    step = 10 if crs == "EPSG:32601" else 1e-4
    x = x if crs == "EPSG:32601" else 180.0
    painted = paint(tmp_path, crs=crs, transform=Affine(step, 0, x - 80 * step, 0, -step, y + 80 * step))
    client = TestClient(build_app(find_views([tmp_path])), base_url=HERE)
    (view,) = client.get("/views").json()["views"]
    west, south, east, north = view["bounds"]
    assert west < 180 < east < 180.1
    for row, col in PIXELS:
        lon, lat = painted.lonlat(row, col)
        turned = (lon + 180) % 360 - 180
        assert color_at(client, view, "L3", turned, lat) == (*painted.color(row, col, 3), 255)
        for where in (turned, turned + 360):
            path = client.get("/query/0", params={"lon": where, "lat": lat}).json()["path"]
            assert path[2]["index"] == painted.leaf[row, col]
    found = []
    for turn in (0, -360):
        box = {"west": west + turn - 1, "south": south - 1, "east": east + turn + 1, "north": north + 1}
        areas = client.get("/areas/0", params={**box, "level": 1}).json()["areas"]
        found.append(sum(area["area_m2"] for area in areas))
    pixel_m2 = 100 if crs == "EPSG:32601" else 5.586 * 11.141
    assert found == [pytest.approx(SIDE_PX * (SIDE_PX - NODATA_ROWS) * pixel_m2, rel=0.02)] * 2


def test_a_polar_scene_says_that_the_page_ends_at_85_degrees(tmp_path):
    paint(tmp_path / "pole", crs="EPSG:3413", transform=Affine(100, 0, -8000, 0, -100, 8000))
    paint(tmp_path / "part", crs="EPSG:3413", transform=Affine(5000, 0, -4e5, 0, -5000, 8e5))
    pole, part = find_views([tmp_path / "pole", tmp_path / "part"])
    assert "Nothing of this scene can be drawn" in pole.note
    assert "beyond 85° of latitude is not drawn" in part.note
    for view in (pole, part):
        west, south, east, north = view.bounds
        assert west < east
        assert south < north <= 85.06


def test_a_folder_with_nothing_to_view_is_refused(tmp_path, painted):
    with pytest.raises(MissingFileError, match="to hold class rasters"):
        find_views([tmp_path])
    with pytest.raises(MissingFileError, match="it does not exist"):
        find_views([tmp_path / "none"])
    with pytest.raises(MissingFileError, match="does not exist"):
        find_views([painted.folder], image=tmp_path / "none.tif")
    with pytest.raises(RasterError, match="bands named red, green, blue"):
        find_views([painted.folder], image=painted.folder / "scene_L1.tif")


def test_the_image_may_be_named_by_the_item_or_by_hand(tmp_path):
    scene = paint(tmp_path / "maps")
    [view] = find_views([scene.folder])
    assert view.backdrop is None
    path = write_image(scene, tmp_path / "some image.tif")
    assert find_views([scene.folder], image=path)[0].backdrop.files[0] == (path, 1)
    item = json.loads((scene.folder / "scene.json").read_text())
    for href in ("../some%20image.tif", path.as_uri()):
        item["links"] = [{"rel": "derived_from", "href": href}]
        (scene.folder / "scene.json").write_text(json.dumps(item))
        [view] = find_views([scene.folder])
        assert view.backdrop.files[0][0].resolve() == path
    for href in ("https://example.org/scene.tif", "/vsicurl/https://example.org/scene.tif", "gone.tif"):
        item["links"] = [{"rel": "derived_from", "href": href}]
        (scene.folder / "scene.json").write_text(json.dumps(item))
        assert find_views([scene.folder])[0].backdrop is None
    item["links"] = [{"rel": "derived_from", "href": "./scene_L1.tif"}]
    (scene.folder / "scene.json").write_text(json.dumps(item))
    with pytest.warns(HieraRSWarning, match=r"image of scene is not shown.*red, green, blue"):
        assert find_views([scene.folder])[0].backdrop is None


def test_a_map_that_holds_a_value_of_no_class_says_so(tmp_path):
    paint(tmp_path)
    [view] = find_views([tmp_path])
    with rasterio.open(tmp_path / "scene_L1.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.write(np.full((1, SIDE_PX, SIDE_PX), 77, dtype=np.uint8))
    client = TestClient(build_app([view]), base_url=HERE)
    (x, y), _ = tile_pixel(*[sum(view.bounds[i::2]) / 2 for i in (0, 1)], view.max_zoom)
    answer = client.get(f"/tiles/0/L1/{view.max_zoom}/{x}/{y}.png")
    assert answer.status_code == 500
    assert "77" in answer.json()["error"]
    assert "scene_L1.tif" in answer.json()["error"]
