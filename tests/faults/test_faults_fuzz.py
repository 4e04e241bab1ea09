"""Chance finds what no list does: trees, options, headers and checkpoints out of random bytes, for a bounded time."""
# ruff: noqa: E501 - one case per line is a table to read

from contextlib import suppress

import numpy as np
import pytest
import yaml
from fault_bench import BANDS, SIDE_PX, TREE, image, write_raster
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hierars_geo.errors import HieraRSError
from hierars_geo.grid import Window
from hierars_geo.models import RECORD_KEY, ModelRecord, read_checkpoint
from hierars_geo.predict.options import PredictOptions
from hierars_geo.scenes import Scene
from hierars_geo.taxonomy import Taxonomy

#: Each example is new; the file of a test is written anew in each.
_QUICK = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
_LONG = settings(_QUICK, max_examples=2000, derandomize=False)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=8),
    st.dates(),
)
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def changed_trees(draw):
    """A good tree with one place of it replaced by anything."""
    tree = yaml.safe_load(yaml.safe_dump(TREE))
    place = draw(st.sampled_from(["top", "level", "class"]))
    level = tree["levels"][draw(st.integers(0, 1))]
    target = {"top": tree, "level": level, "class": level["classes"][0]}[place]
    target[draw(st.sampled_from([*target, "nodata", "parent", "anchors", "ignore_values"]))] = draw(plain)
    return tree


def _reads_or_refuses(path):
    with suppress(HieraRSError):
        tree = Taxonomy.from_yaml(path)
        assert Taxonomy.from_dict(tree.to_dict()) == tree


def check_tree(tree, path):
    path.write_text(yaml.dump(tree), encoding="utf-8")
    _reads_or_refuses(path)


def check_text(text, path):
    path.write_bytes(text)
    _reads_or_refuses(path)


def check_options(options, path):
    with suppress(HieraRSError):
        PredictOptions(**options).output.resolved_levels(2)


def check_record(change, path):
    record = {
        "version": 3, "taxonomy": TREE, "bands": ["red"], "mean": [0.0], "std": [1.0], "chip_size": 32, "gsd_m": 10.0,
        "model": {"architecture": "unet", "encoder": "resnet18", "mode": "residual", "dropout": 0.1, "options": {}},
        "read": {"bands": ["red"], "sensor": None, "nodata": None, "nodata_rule": "all", "harmonize": False,
                 "resampling": "bilinear"},
    }  # fmt: skip
    with suppress(HieraRSError):
        ModelRecord.from_dict(record | change, "x.ckpt")


def check_flipped_raster(flips, path):
    data = bytearray(path.with_name("good.tif").read_bytes())
    for place, value in flips:
        data[place % len(data)] = value
    path.write_bytes(bytes(data))
    with suppress(HieraRSError), Scene.open(path, bands=BANDS) as scene:
        height, width = scene.grid.shape
        pixels, valid = scene.read(Window(0, 0, min(height, 64), min(width, 64)))
        assert np.isfinite(pixels).all()
        assert pixels.shape[1:] == valid.shape


def check_flipped_checkpoint(flips, path):
    data = bytearray(path.with_name("good.ckpt").read_bytes())
    start = data.index(b"data.pkl")
    for place, value in flips:
        data[start + place % 20_000] = value
    path.write_bytes(bytes(data))
    with suppress(HieraRSError):
        content = read_checkpoint(path)
        ModelRecord.from_dict(content[RECORD_KEY], str(path))


near_yaml = st.text(alphabet="{}[]:,&*!?|>-'\"#%@`\n\t ab01.~<", max_size=120).map(str.encode)
bytes_of_flips = st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=6)
header_flips = st.lists(st.tuples(st.integers(4, 700), st.integers(0, 255)), min_size=1, max_size=4)
numbers = st.one_of(st.integers(), st.floats(), st.none())
option_values = st.fixed_dictionaries(
    {},
    optional={
        "window": st.integers() | st.none(), "overlap": st.floats(), "batch_size": st.integers(),
        "depth_threshold": st.floats(), "chunk_px": st.integers() | st.none(), "blend": st.text(max_size=9),
        "levels": st.lists(st.integers(), max_size=4).map(tuple), "tta": st.lists(st.text(max_size=9)).map(tuple),
    },
)  # fmt: skip
record_changes = st.dictionaries(
    st.sampled_from(["version", "taxonomy", "bands", "mean", "std", "chip_size", "gsd_m", "model", "transfer", "read"]),
    plain, min_size=1, max_size=2,
)  # fmt: skip

#: Name -> (what is drawn, what it must survive).
TARGETS = {
    "trees": (changed_trees(), check_tree),
    "text": (near_yaml | st.binary(max_size=80), check_text),
    "options": (option_values, check_options),
    "records": (record_changes, check_record),
    "headers": (header_flips, check_flipped_raster),
    "rasters": (bytes_of_flips, check_flipped_raster),
    "checkpoints": (bytes_of_flips, check_flipped_checkpoint),
}


@pytest.fixture
def file(tmp_path, bench):
    write_raster(
        tmp_path / "good.tif", image(), BANDS, compress="deflate", tiled=True, blockxsize=16, blockysize=16
    )
    (tmp_path / "good.ckpt").write_bytes(bench["CKPT"].read_bytes())
    return tmp_path / "x.yaml"


def _fuzz(name, file, how):
    drawn, check = TARGETS[name]

    @how
    @given(drawn)
    def survives(value):
        check(value, file)

    survives()


#: rasterio's handler cannot decode a message of GDAL that quotes the file; PyTorch wonders at a pickle.
_TALK = {
    **dict.fromkeys(("headers", "rasters"), "ignore::pytest.PytestUnraisableExceptionWarning"),
    "checkpoints": "ignore:Detected pickle protocol",
}
_NAMES = [
    pytest.param(name, marks=[pytest.mark.filterwarnings(_TALK[name])] if name in _TALK else ())
    for name in TARGETS
]


@pytest.mark.parametrize("name", _NAMES)
def test_chance_finds_nothing_but_refusals(name, file):
    _fuzz(name, file, _QUICK)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", _NAMES)
def test_chance_finds_nothing_but_refusals_for_longer(name, file):
    _fuzz(name, file, _LONG)


def test_the_good_files_of_the_fuzz_are_good(file, bench):
    with Scene.open(file.with_name("good.tif"), bands=BANDS) as scene:
        assert scene.read(Window(0, 0, SIDE_PX, SIDE_PX)).valid.all()
    assert read_checkpoint(bench["CKPT"])
