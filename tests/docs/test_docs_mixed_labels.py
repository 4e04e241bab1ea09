"""The how-to "Train from the labels I have" runs as it stands there, from three sources to a map."""

import csv
import json

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from documents import ROOT, read_fences, words_of
from scene_files import UTM, X0, Y0, write

from hierars_geo.cli import main
from hierars_geo.taxonomy import Taxonomy

SIDE = 192
#: What each kind of ground is called by the three sources: MM-5B, HCAT, WorldCover.
GROUND = (("Pond", None, 80), ("Dry cropland", "3301010100", 40), ("Paddy field", "3301010700", 40))
SMALL = [
    *("--model.init_args.encoder", "tu-test_resnet", "--trainer.max_steps", "3", "--trainer.logger", "false"),
    *("--model.init_args.model_options", "{decoder_channels: [16, 16, 8, 8, 8]}"),
    *("--data.init_args.chips.size", "32", "--data.init_args.chips.per_epoch", "8"),
    *("--data.init_args.loader.batch_size", "2", "--trainer.accelerator", "cpu"),
    *("--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"),
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Strips of three kinds of ground and the files that the how-to names, in the working folder."""
    rng = np.random.default_rng(5)
    kind = np.mgrid[:SIDE, :SIDE][1] // 24 % 3
    image = rng.normal(800 + 600 * kind, 100, (10, SIDE, SIDE)).clip(1).astype(np.uint16)
    write(tmp_path / "images" / "today.tif", image)
    write(tmp_path / "worldcover.tif", np.array([product for *_, product in GROUND], dtype=np.uint8)[kind])

    corners = np.stack(np.mgrid[10:SIDE:46, 10:SIDE:46]).reshape(2, -1)  # pairs, farther apart than a chip
    rows, cols = np.concatenate([corners, corners + rng.integers(1, 7, corners.shape)], axis=1)
    points = shapely.points(X0 + 10 * cols + 5, Y0 - 10 * rows - 5)
    names = [GROUND[kind[at]][0] for at in zip(rows, cols, strict=True)]
    gpd.GeoDataFrame({"class_name": names}, geometry=points, crs=UTM).to_file(tmp_path / "field_points.gpkg")

    left = [(col, code) for col in range(0, SIDE, 24) if (code := GROUND[kind[0, col]][1]) is not None]
    boxes = [shapely.box(X0 + 10 * col, Y0 - 900, X0 + 10 * col + 240, Y0 - 100) for col, _ in left]
    parcels = gpd.GeoDataFrame({"EC_hcat_c": [code for _, code in left]}, geometry=boxes, crs=UTM)
    parcels.to_crs(4326).to_file(tmp_path / "parcels.gpkg")
    halves = [shapely.box(X0 + x, Y0 - 10 * SIDE, X0 + x + 5 * SIDE, Y0) for x in (0, 5 * SIDE)]
    gpd.GeoDataFrame({"name": ["west", "east"]}, geometry=halves, crs=UTM).to_file(
        tmp_path / "districts.gpkg"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Lightning, and of bands without names
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what Lightning calls
def test_the_how_to_runs_from_points_parcels_and_a_product_to_a_map(place, capsys):
    fences = list(read_fences(ROOT / "docs" / "howto.md"))
    at = next(i for i, fence in enumerate(fences) if fence.file_name == "my_labels.yaml")
    (place / "my_labels.yaml").write_text(fences[at].text, encoding="utf-8")
    commands = [words_of(command)[1:] for command in fences[at + 1].commands]
    assert [words[0] for words in commands] == ["taxonomy", "labels", "fit", "predict", "evaluate", "areas"]
    said = {}
    for words in commands:
        small = {"fit": SMALL, "predict": ["--device", "cpu"]}.get(words[0], [])
        assert main([*words, *small]) == 0, words
        said[words[0]] = " ".join(capsys.readouterr().out.split())

    for source in (
        "field_points.gpkg: 282 pixels (0.76 % of the ground), priority 2; decided L1 100.0 %, L2 100.0 %",
        "parcels.gpkg: 8580 pixels (23.27 % of the ground), priority 1",
        "worldcover.tif: 36864 pixels (100.00 % of the ground), priority 0; decided L1 100.0 %, L2 100.0 %",
    ):
        assert source in said["labels"]
    assert (place / "labels.png").read_bytes().startswith(b"\x89PNG")
    with rasterio.open(place / "maps" / "today_L3.tif") as leaves:
        assert leaves.shape == (SIDE, SIDE)
        assert set(np.unique(leaves.read(1))) <= set(Taxonomy.from_yaml("mm5b").class_values(3))
    scores = json.loads((place / "against_worldcover.json").read_text(encoding="utf-8"))
    assert [level["pixels"] for level in scores["levels"].values()] == [
        SIDE**2,
        SIDE**2,
        0,
    ]  # no leaf is sure
    found = {one["name"]: one["support"] for one in scores["common_classes"]["levels"]["L1"]["classes"]}
    ponds = SIDE * 3 * 24  # strips 0, 3 and 6 of eight
    assert (found["Water"], found["Cropland"]) == (ponds, SIDE**2 - ponds)
    with (place / "districts.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    common = {"Cropland", "Forest", "Grassland", "Water", "Artificial surface", "Bare land"}
    assert {row["class_name"] for row in rows} <= common == set(found) - {"undecided"}
    for district in ("0", "1"):
        area = sum(float(row["area_m2"]) for row in rows if row["polygon"] == district)
        assert area == pytest.approx(50 * SIDE**2, rel=0.01)
