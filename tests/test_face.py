"""The Python face: lazy, and the lines of the README run as they stand, on small scenes."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from raster_factory import write_raster

import hierars_geo as hg

ROOT = Path(__file__).parents[1]
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout


def test_importing_the_package_imports_nothing():
    code = (
        "import sys, time; start = time.process_time(); import hierars_geo as hg; "
        "print(time.process_time() - start, [n for n in sys.modules if n.split('.')[0] in "
        "('torch', 'numpy', 'rasterio', 'lightning', 'torchgeo')], len(dir(hg)))"
    )
    seconds, rest = _python(code).split(" ", 1)
    assert float(seconds) < 0.3
    assert rest.startswith("[]")


def test_the_stub_names_what_the_face_holds():
    stub = ast.parse((ROOT / "hierars_geo" / "__init__.pyi").read_text(encoding="utf-8"))
    named = {alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert named == set(hg.__all__) <= set(dir(hg))
    assert list(hg.__all__) == sorted(hg.__all__)
    for name in hg.__all__:
        assert getattr(hg, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'prediction'"):
        _ = hg.prediction


def test_no_name_of_a_room_is_hidden_by_a_module():
    """Of a lazy room, a module imported before its name is asked for would stand in place of the function."""
    hidden = [
        f"{face.parent.name}.{name}"
        for face in (ROOT / "hierars_geo").rglob("*/__init__.py")
        for name in _listed_lazily(face)
        if (face.parent / f"{name}.py").exists() or (face.parent / name).is_dir()
    ]
    assert not hidden


def _listed_lazily(face: Path) -> list[str]:
    text = face.read_text(encoding="utf-8")
    listed = text.partition("__all__ = ")[2] if "lazy_face" in text else ""
    return list(ast.literal_eval(listed)) if listed else []


def test_the_verb_and_the_room_share_a_name():
    assert callable(hg.predict)
    assert hg.predict.Predictor is hg.Predictor


def test_trees_losses_and_models_by_the_names_that_scripts_use():
    tree = hg.Taxonomy.from_yaml("mm5b")
    assert (tree.name, tree.num_levels, tree.num_classes) == ("mm5b", 3, (4, 9, 18))
    assert tree.paths.shape == (18, 3)
    index = tree.value_to_index(np.array([tree.nodata_value, *tree.class_values(3)]))
    assert index.tolist() == [-100, *range(18)]
    assert tree.index_to_value(index[1:], 3).tolist() == list(tree.class_values(3))
    assert tree.lift(0, 1) == tree.paths[0, 0]
    assert len(tree.colors(2)) == len(tree.class_names(2)) == len(tree.level_names) + 6
    import torch

    head = hg.models.BHCCM(8, tree.num_classes, mode="residual", dropout=0.1)
    logits = head(torch.zeros(1, 8, 4, 4))
    scores = hg.models.path_logits(logits, tree.paths)
    assert hg.models.jsps(scores, tree.paths).shape == (1, 3, 4, 4)
    assert hg.models.level_confidence(scores, tree.paths).diff(dim=1).max() <= 1e-6
    loss = hg.losses.HSCLoss(tree.paths, tree.num_classes, alpha=2.0)
    assert loss(logits, torch.zeros(1, 4, 4, dtype=torch.int64))["loss"].isfinite()


@pytest.fixture
def ground(tmp_path, monkeypatch):
    """Scenes of fields of 32 px whose values follow from their class, labels, and one more scene."""
    monkeypatch.chdir(tmp_path)
    tree = hg.Taxonomy.from_yaml("mm5b")
    values = np.array(tree.class_values(3), dtype=np.uint16)
    rng = np.random.default_rng(0)
    for name, side, left in (("scenes/a", 1024, 500_000.0), ("scene", 96, 600_000.0)):
        leaf = rng.integers(0, 18, (side // 32, side // 32)).repeat(32, 0).repeat(32, 1)
        bands = np.stack([500 + 100 * ((leaf + band) % 18) for band in range(10)]).astype(np.uint16)
        write_raster(f"{name}.tif", bands, BANDS, left=left, compress="deflate")
        labels = "labels/a.tif" if "/" in name else "labels.tif"
        write_raster(labels, values[leaf], left=left, nodata=tree.nodata_value, compress="deflate")
    return tmp_path


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_lines_of_the_readme_run_as_they_stand(ground):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("```python\nimport hierars_geo as hg\n")[1].split("```")[0]
    # two steps in place of thousands, and no bar: all else is what the reader reads
    told = "Trainer(max_steps=2000)"
    assert told in block
    quiet = "limit_val_batches=1, logger=False, enable_progress_bar=False, accelerator='cpu'"
    names: dict[str, object] = {}
    exec("import hierars_geo as hg\n" + block.replace(told, f"Trainer(max_steps=2, {quiet})"), names)
    maps = names["maps"]
    assert isinstance(maps, hg.Maps)
    assert maps.levels == (1, 2, 3)
    assert set(maps.confidence) == {1, 2, 3}
    assert maps.taxonomy == hg.Taxonomy.from_yaml("mm5b")
    assert names["model"].record.read.sensor == "sentinel2"
    assert names["model"].record.bands == BANDS
    assert {"scene.gpkg", "maps", "model.ckpt"} <= {path.name for path in ground.iterdir()}
    assert (ground / "maps" / "report.html").is_file()
    short = {"limit_predict_batches": 1, "logger": False, "enable_progress_bar": False, "accelerator": "cpu"}
    (batch,) = names["Trainer"](**short).predict(names["task"], names["data"])
    assert batch["levels"].shape == batch["confidence"].shape == (8, 3, 256, 256)
    assert len(batch["bounds"]) == 8
