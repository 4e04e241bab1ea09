"""A command imports what it uses: each in a process of its own, since imports stay."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: What training and drawing need, and nobody else.
TRAINING = (
    "lightning",
    "torchgeo",
    "torchmetrics",
    "kornia",
    "matplotlib",
    "scipy.signal",
    "scipy.interpolate",
)
#: What compiles models; torchvision and timm name it, see hierars_geo.imports.
COMPILER = ("torch._dynamo", "torch._inductor", "sympy", "triton")
#: What tables of results are made with: 68 MB.
TABLES = ("pandas", "pyarrow")
#: What runs models.
MODELS = ("torch", "torchvision", "timm", "segmentation_models_pytorch", "hierars_geo.models")

#: Command -> (what it imports before it works, what has no place in it).
COMMANDS = {
    "predict": ("hierars_geo.predict", (*TRAINING, *COMPILER, *TABLES, "dask", "hierars_geo.datasets")),
    "evaluate": (
        "hierars_geo.accuracy.evaluation",
        (*TRAINING, *COMPILER, *MODELS, "hierars_geo.datasets.vector_labels"),
    ),
    "vectorize": ("hierars_geo.vector", (*TRAINING, *COMPILER, *MODELS)),
    "areas": ("hierars_geo.vector", (*TRAINING, *COMPILER, *MODELS)),
    "sample": ("hierars_geo.accuracy.sampling", (*TRAINING, *COMPILER, *MODELS)),
    "report": (
        "hierars_geo.report",
        tuple(name for name in (*TRAINING, *COMPILER, *MODELS) if name != "matplotlib"),
    ),
}

PREDICT_64_PX = """
import sys, numpy as np, rasterio, torch
from affine import Affine
from hierars_geo.models import RECORD_KEY, ModelConfig, ModelRecord, build_model
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe
config = ModelConfig("unet", "resnet18", options={"decoder_channels": [16, 16, 8, 8, 8]})
tree, read = Taxonomy.from_yaml("crop10m"), ReadRecipe(("red", "nir"))
for encoder in ("tu-test_resnet", "tu-test_convnext"):  # which are built on no device first
    build_model(ModelRecord(tree, read, (0.0, 0.0), (1.0, 1.0), ModelConfig("unet", encoder), 64))
record = ModelRecord(tree, read, (0.0, 0.0), (1.0, 1.0), config, 64)
state = {f"model.{name}": value for name, value in build_model(record).state_dict().items()}
torch.save({"state_dict": state, RECORD_KEY: record.to_dict()}, "model.ckpt")
profile = {"driver": "GTiff", "dtype": "uint16", "count": 2, "height": 64, "width": 64, "crs": "EPSG:32650"}
with rasterio.open("scene.tif", "w", transform=Affine(10, 0, 5e5, 0, -10, 4e6), **profile) as raster:
    raster.write(np.random.default_rng(0).integers(1, 99, (2, 64, 64)).astype("uint16"))
    raster.descriptions = ("red", "nir")
from hierars_geo.cli import main
assert main(["predict", "model.ckpt", "scene.tif", "-o", "maps", "--device", "cpu"]) == 0
"""


def _imported(code: str, folder: Path) -> set[str]:
    code += "\nimport sys\nprint('imported', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("imported ")[2].split())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_nothing_heavy_that_it_does_not_use(command, tmp_path):
    room, absent = COMMANDS[command]
    found = _imported(f"import hierars_geo.cli.{command}, {room}", tmp_path)
    assert room in found
    assert sorted(found & set(absent)) == []


def test_a_prediction_from_start_to_end_imports_no_more(tmp_path):
    found = _imported(PREDICT_64_PX, tmp_path)
    assert (tmp_path / "maps" / "scene_L3.tif").is_file()
    assert sorted(found & set(COMMANDS["predict"][1])) == []


def test_compiling_works_after_torchvision_was_imported_without_it(tmp_path):
    code = (
        "import hierars_geo.models.factory, sys, torch; assert 'torch._dynamo' not in sys.modules; "
        "from torchvision.ops.roi_align import is_compile_supported; assert is_compile_supported('cpu'); "
        "double = torch.compile(lambda x: 2 * x, backend='eager'); assert double(torch.ones(1)).item() == 2; "
        "from timm.models.naflexvit import NaFlexRopeIterator; assert torch._dynamo.utils"
    )
    assert "torch._dynamo.convert_frame" in _imported(code, tmp_path)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["predict", "--help"], ["evaluate", "--help"]], ids=" ".join
)
def test_help_answers_within_a_second_of_work(arguments):
    code = (
        "import atexit, sys, time; from hierars_geo.cli import main; "
        "atexit.register(lambda: sys.stderr.write(f'seconds {time.process_time()}')); main(sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert "usage: hierars-geo" in done.stdout
    assert float(done.stderr.rpartition("seconds ")[2]) < 1.0
