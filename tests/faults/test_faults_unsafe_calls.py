"""The package calls nothing that runs what a file says, and every door for checkpoints refuses an attack."""

import ast
from pathlib import Path

import pytest
import torch
from fault_bench import BANDS, checkpoint_content
from fault_checkpoints import Attack, bomb
from task_factory import SMALL, make_task

import hierars_geo
from hierars_geo.errors import HieraRSError
from hierars_geo.models import ModelConfig, build_segmenter
from hierars_geo.tasks import TransLUTask

PACKAGE = Path(hierars_geo.__file__).parent

#: Calls that run code, a shell, or unpack where a file says.
FORBIDDEN = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "tempfile.mktemp"),
    *("pickle.load", "pickle.loads", "yaml.unsafe_load", "yaml.full_load", "shutil.unpack_archive"),
    *("torch.hub.load", "joblib.load", "extractall", "extract"),
}
MODULES = {"subprocess", "marshal", "shelve", "dill", "cloudpickle", "xml.dom.minidom", "xml.sax", "lxml"}


def _calls():
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path.relative_to(PACKAGE), ast.unparse(node.func), node


def test_no_call_runs_or_unpacks_what_a_file_says():
    found = [
        f"{path}:{node.lineno} {name}"
        for path, name, node in _calls()
        if name in FORBIDDEN or name.rpartition(".")[2] in ("extractall", "unpack_archive", "unsafe_load")
    ]
    assert found == []


def test_no_module_that_runs_others_is_imported():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path.name} {name}" for name in names if name in MODULES]
    assert found == []


def test_every_loader_is_told_to_load_data_alone():
    safe = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
    seen = set()
    for path, name, node in _calls():
        given = {key.arg: ast.unparse(key.value) for key in node.keywords}
        if name in safe:
            option, value = safe[name]
            assert given.get(option) == str(value), f"{path}:{node.lineno}"
            seen.add(name)
        if name == "yaml.load":
            assert "Safe" in given["Loader"] or given["Loader"] == "_UniqueKeyLoader", f"{path}:{node.lineno}"
            seen.add(name)
        if name.endswith("load_state_dict_from_url"):
            assert given.get("weights_only") == "True", f"{path}:{node.lineno}"
    assert seen == {"torch.load", "np.load", "yaml.load"}


@pytest.fixture(params=["attack", "bomb"])
def evil(request, tmp_path, monkeypatch, bench):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.ckpt"
    if request.param == "bomb":
        bomb(tmp_path, bench)
    else:
        torch.save(checkpoint_content() | {"more": Attack()}, path)
    return path


DOORS = {
    "start_checkpoint": lambda path: make_task(**SMALL, start={"checkpoint": str(path)}).on_fit_start(),
    "source of TransLU": lambda path: TransLUTask(source=str(path)),
    "encoder_weights": lambda path: build_segmenter(
        ModelConfig("unet", "resnet18"), 2, (2, 4), encoder_weights=str(path), bands=BANDS
    ),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
def test_every_door_of_a_training_refuses_an_attack(door, evil, tmp_path):
    with pytest.raises(HieraRSError, match=r"x\.ckpt .*for safety"):
        DOORS[door](evil)
    assert not (tmp_path / "owned").exists()
