"""Options and configurations that no work can be done with."""
# ruff: noqa: E501 - one case per line is a table to read

import os
import shutil

import yaml
from fault_case import Case
from fault_rasters import text_file

PREDICT = "predict CKPT SCENE -o OUT --device cpu"
VECTORIZE = "vectorize MAPS -o OUT/x.gpkg"
EVALUATE = "evaluate MAPS LEAVES --taxonomy TREE -o OUT/m.json"


def wrote(pattern):
    return lambda folder, bench: next((folder / "out").glob(pattern))


def config(**changes):
    """A configuration of images that do not exist: nothing gets as far as to train."""
    content = {
        "model": {
            "class_path": "hierars_geo.tasks.BHCCMTask",
            "init_args": {"architecture": "unet", "encoder": "tu-test_resnet"},
        },
        "data": {
            "class_path": "hierars_geo.datamodules.SceneDataModule",
            "init_args": {"sensor": "sentinel2", "images": ["gone.tif"], "labels": ["gone.tif"], "taxonomy": "mm5b"},
        },
        "trainer": {"max_steps": 1, "accelerator": "cpu", "logger": False},
    }  # fmt: skip
    for key, value in changes.items():
        section, name = key.split("__")
        part = content[section] if section == "trainer" else content[section]["init_args"]
        part[name] = value
    return text_file("x.yaml", yaml.safe_dump(content))


def maps_of_this(folder, bench):
    shutil.copytree(bench["MAPS"], folder / "maps")


def with_item(change):
    """Maps whose STAC item says something else."""

    def make(folder, bench):
        maps_of_this(folder, bench)
        path = folder / "maps" / "scene.json"
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    return make


def without(name):
    def make(folder, bench):
        maps_of_this(folder, bench)
        (folder / "maps" / name).unlink()

    return make


def scenes(folder, bench):
    (folder / "scenes").mkdir()
    shutil.copy(bench["SCENE"], folder / "scenes" / "a.tif")
    (folder / "scenes" / "b.tif").write_text("no raster")


def loop(folder, bench):
    """A folder that holds itself."""
    scenes(folder, bench)
    (folder / "scenes" / "b.tif").unlink()
    (folder / "scenes" / "self").symlink_to(folder / "scenes")


def pipe(folder, bench):
    os.mkfifo(folder / "x.yaml")


SUCCESSES = {
    "a window of one pixel more than the scene": (f"{PREDICT} --window 41", wrote("*_L2.tif")),
    "a window of a thousand pixels": (f"{PREDICT} --window 1000", wrote("*_L2.tif")),
    "a batch of a million": (f"{PREDICT} --batch-size 1000000", wrote("*_L2.tif")),
    "an overlap of nearly all": (f"{PREDICT} --overlap 0.9999999999", wrote("*_L2.tif")),
    "no overlap": (f"{PREDICT} --overlap 0", wrote("*_L2.tif")),
    "a threshold of 0": (f"{PREDICT} --depth-threshold 0", wrote("*_L2.tif")),
    "a level twice": (f"{PREDICT} --levels 2 2", wrote("*_L2.tif")),
    "columns one by one": (f"{PREDICT} --chunk-px 1", wrote("*_L2.tif")),
    "a region of one pixel": (f"{PREDICT} --region 500001,5599991,500002,5599992 --region-crs EPSG:32633", wrote("*_L2.tif")),
    "a region larger than the Earth": (f"{PREDICT} --region=-1e9,-1e9,1e9,1e9 --region-crs EPSG:32633", wrote("*_L2.tif")),
    "a smallest area larger than the map": (f"{VECTORIZE} --min-area-m2 1e12", wrote("x.gpkg")),
    "a tolerance larger than the map": (f"{VECTORIZE} --simplify-m 1e6", wrote("x.gpkg")),
}  # fmt: skip

REFUSED = {
    "a window of 0": (f"{PREDICT} --window 0", 2, "Expected window to be >= 1 px, but got 0"),
    "a window of a million pixels": (f"{PREDICT} --window 1000000", 2, "window to be <= 65536 px"),
    "a window of 10^30": (f"{PREDICT} --window 1000000000000000000000000000000", 2, "window"),
    "an overlap below 0": (f"{PREDICT} --overlap -0.5", 2, "overlap < 1, but got -0.5"),
    "an infinite overlap": (f"{PREDICT} --overlap inf", 2, "overlap .* inf"),
    "a batch of minus one": (f"{PREDICT} --batch-size -1", 2, "Expected batch_size to be >= 1"),
    "a level of 0": (f"{PREDICT} --levels 0", 2, r"Expected levels to be within 1..2, but got \[0\]"),
    "a level below 0": (f"{PREDICT} --levels -1", 2, "levels"),
    "no columns at once": (f"{PREDICT} --chunk-px 0", 2, "chunk_px"),
    "a threshold that is NaN": (f"{PREDICT} --depth-threshold nan", 2, "depth_threshold .*probability 0..1, but got nan"),
    "a region that is NaN": (f"{PREDICT} --region nan,0,1,1", 2, "region"),
    "a region turned round": (f"{PREDICT} --region 5,0,1,1", 2, "region"),
    "a region of four infinities": (f"{PREDICT} --region=-inf,-inf,inf,inf", 2, "region"),
    "a region beyond the pole": (f"{PREDICT} --region 0,91,1,92", 2, "region"),
    "a CRS that is none": (f"{PREDICT} --region 0,0,1,1 --region-crs EPSG:0", 2, "EPSG:0"),
    "a view that is none": (f"{PREDICT} --tta mirrors", 2, "mirrors"),
    "a device that is not there": (f"{PREDICT} --device cuda:77".replace(" --device cpu", ""), 2, "cuda:77"),
    "workers without a cluster": (f"{PREDICT} --workers 3", 2, "--engine dask"),
    "a pattern that nothing fits": ("predict CKPT @*.nothing -o OUT", 1, "rasters that fit"),
    "a smallest area that is infinite": (f"{VECTORIZE} --min-area-m2 inf", 2, "min_area_m2 to be 0 or more, but got inf"),
    "a smallest area that is NaN": (f"{VECTORIZE} --min-area-m2 nan", 2, "min_area_m2"),
    "a tolerance below 0": (f"{VECTORIZE} --simplify-m -1", 2, "simplify_m"),
    "smooth and simple at once": (f"{VECTORIZE} --smooth --simplify-m 5", 2, "Choose one"),
    "a level of polygons that is none": (f"{VECTORIZE} --levels 0 1", 2, r"levels to be within 1..2.* \[0, 1\]"),
    "a region of scores that is NaN": (f"{EVALUATE} --region nan 0 1 1", 2, "region"),
    "a table of scores of no form": ("evaluate MAPS LEAVES --taxonomy TREE -o OUT/m.xlsx", 2, "json"),
    "a level of labels that is none": (f"{EVALUATE} --level 7", 1, "level of tiny to be 1..2"),
    "a table of areas of no form": ("areas MAPS --by LEAVES -o OUT/a.xlsx", 2, "csv"),
    "a port below 0": ("view MAPS --port -1", 2, "--port"),
    "steps below 0": ("demo OUT --steps -5", 2, "Expected steps to be >= 1, but got -5"),
    "scenes below 0": ("synth OUT --scenes -1", 2, "scenes"),
    "a thousand dashes": (f"{PREDICT} {'-' * 1000}", 2, "hierars-geo predict"),
    "an option of a line break": (f"{PREDICT} $'--a\\nb'", 2, "hierars-geo predict"),
    "an empty name": ("predict CKPT '' -o OUT", 1, "raster"),
    "a tree of an empty name": ("evaluate MAPS LEAVES --taxonomy '' -o OUT/m.json", 1, "taxonom"),
    "an export of another suffix": ("export CKPT -o OUT/x.exe", 2, "onnx"),
    "a tile of 0 pixels": ("export CKPT --deepness --tile-px 0 -o OUT/x.onnx", 2, "tile_px"),
}  # fmt: skip

OTHERS = [
    Case("an item cut short", "vectorize @maps -o OUT/x.gpkg", with_item(lambda text: text[:99]), 1, r"scene\.json"),
    Case("an item that is a list", "vectorize @maps -o OUT/x.gpkg", with_item(lambda text: "[]"), 2, r"--taxonomy FILE"),
    Case("an item nested without end", "vectorize @maps -o OUT/x.gpkg", with_item(lambda text: "[" * 100_000), 1, r"scene\.json"),
    Case("an item without a tree", "vectorize @maps -o OUT/x.gpkg", with_item(lambda text: text.replace("hierars:taxonomy", "x")), 2, "--taxonomy"),
    Case("a level that is gone", "report @maps -o OUT/r.html", without("scene_L2.tif"), 0, r"note: scene_L2\.tif, named in", wrote("r.html")),
    Case("polygons of a level that is gone", "vectorize @maps -o OUT/x.gpkg", without("scene_L2.tif"), 0, r"note: scene_L2\.tif, named in", wrote("x.gpkg")),
    Case("a report of an item cut short", "report @maps -o OUT/r.html", with_item(lambda text: text[:99]), 1, r"scene\.json"),
    Case("a report of an item that is text", "report @maps -o OUT/r.html", with_item(lambda text: '"x"'), 2, r"scene\.json"),
    Case("a report of an item nested without end", "report @maps -o OUT/r.html", with_item(lambda text: "[" * 100_000), 1, r"scene\.json"),
    Case("a view of an item cut short", "view @maps --no-browser --port 0", with_item(lambda text: text[:99]), 1, r"scene\.json"),
    Case("scores nested without end", "report MAPS -o OUT/r.html --metrics @x.json", text_file("x.json", "[" * 100_000), 1, r"x\.json"),
    Case("scores that are a list", "report MAPS -o OUT/r.html --metrics @x.json", text_file("x.json", "[]"), 1, r"x\.json"),
    Case("estimates nested without end", "report MAPS -o OUT/r.html --accuracy @x.json", text_file("x.json", "{\"a\":" * 100_000), 1, r"x\.json"),
    Case("a report over its scores", "report MAPS -o @x.json --metrics @x.json --overwrite", text_file("x.json", "{}"), 2, "other files than the inputs"),
    Case("a folder with a file that is no raster", "catalog build @scenes -o OUT", scenes, 1, r"b\.tif"),
    Case("a folder that holds itself", "catalog build @scenes -o OUT --time 2019-01-01", loop, 0, "", wrote("collection.json")),
    Case("a folder without a raster", "catalog build @scenes -o OUT", lambda folder, bench: (folder / "scenes").mkdir(), 1, "scenes"),
    Case("a day that is none", "catalog build @scenes -o OUT --time 2019-02-30", loop, 2, "2019-02-30"),
    Case("days turned round", "catalog build @scenes -o OUT --time 2020-01-01/2019-01-01", loop, 2, "2020-01-01"),
    Case("a catalog that is none", "catalog validate @scenes", scenes, 1, r"collection\.json"),
    Case("a catalog nested without end", "catalog validate @.", text_file("collection.json", "[" * 100_000), 1, r"collection\.json"),
    Case("a catalog of another kind", "catalog validate @.", text_file("collection.json", '{"type": "FeatureCollection"}'), 1, r"collection\.json"),
    Case("a data set that is none", "catalog show nope", None, 1, "nope"),
    Case("a configuration with a call of Python", "fit --config @x.yaml", text_file("x.yaml", "model: !!python/object/apply:os.mkdir [owned]"), 2, r"x\.yaml to be a YAML file"),
    Case("a configuration that is a bomb", "fit --config @x.yaml", text_file("x.yaml", "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + k)}: &{chr(98 + k)} [{','.join(['*' + chr(97 + k)] * 9)}]\n" for k in range(12))), 2, r"x\.yaml"),
    Case("a configuration nested without end", "fit --config @x.yaml", text_file("x.yaml", "[" * 20_000), 2, r"x\.yaml"),
    Case("a configuration with a key twice", "fit --config @x.yaml", text_file("x.yaml", "trainer: {max_steps: 1}\ntrainer: {max_steps: 2}\n"), 2, "key 'trainer' is given twice"),
    Case("a configuration that is a pipe", "fit --config @x.yaml", pipe, 1, r"x\.yaml"),
    Case("a class of Python for a model", "fit --config @x.yaml", text_file("x.yaml", "model: {class_path: os.system, init_args: {command: mkdir owned}}\n"), 2, "model"),
    Case("a class of Python for a logger", "fit --config @x.yaml", config(trainer__logger={"class_path": "subprocess.Popen", "init_args": {"args": ["mkdir", "owned"]}}), 2, "logger"),
    Case("a batch of nothing", "fit --config @x.yaml", config(data__loader={"batch_size": 0}), 2, "batch_size"),
    Case("workers below 0", "fit --config @x.yaml", config(data__loader={"num_workers": -1}), 2, "num_workers"),
    Case("images that are not there", "fit --config @x.yaml", config(), 1, r"gone\.tif"),
]  # fmt: skip

CASES = [
    *(Case(name, command, None, 0, "", check) for name, (command, check) in SUCCESSES.items()),
    *(Case(name, command, None, status, says) for name, (command, status, says) in REFUSED.items()),
    *OTHERS,
]
