"""Python and YAML of README.md and docs/*.md, and the examples of the docstrings, hold."""

import ast
import doctest
import importlib
import pkgutil
from importlib.util import find_spec

import pytest
import yaml
from documents import ROOT, documents, read_fences

import hierars_geo
from hierars_geo.cli.training_cli import parse_training_config
from hierars_geo.taxonomy import Crosswalk, Taxonomy

FENCES = [fence for document in documents() for fence in read_fences(document)]
#: The tree that the how-to writes down and that its crosswalk leads to.
TREE = "my_tree"
QUICKSTART = ROOT / "experiments" / "quickstart" / "bhccm_s2.yaml"


def _of(language):
    return pytest.mark.parametrize("fence", [f for f in FENCES if f.language == language], ids=str)


@_of("python")
def test_python_compiles_and_imports_names_that_exist(fence):
    tree = ast.parse(fence.text)
    compile(tree, str(fence), "exec")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(find_spec(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            names = {alias.name for alias in node.names}
            assert {name for name in names if not hasattr(module, name)} == set()
            if node.module.startswith(hierars_geo.__name__):
                assert names <= set(module.__all__)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # jsonargparse deprecates what Lightning calls
@_of("yaml")
def test_class_trees_crosswalks_and_configurations_are_accepted(fence, tmp_path, lightning_parser):
    content = yaml.safe_load(fence.text)
    path = tmp_path / "shown.yaml"
    if "levels" in content:
        path.write_text(fence.text, encoding="utf-8")
        assert Taxonomy.from_yaml(path).name == content["name"]
        return
    if "from" in content:
        shown = [one.text for one in FENCES if one.language == "yaml" and f"name: {TREE}\n" in one.text]
        (tmp_path / content["to"]).write_text(shown[0], encoding="utf-8")
        path.write_text(fence.text, encoding="utf-8")
        assert Crosswalk.from_yaml(path).target.name == TREE
        return
    rest = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))
    path.write_text(
        yaml.safe_dump({"model": rest["model"], "data": rest["data"]} | content), encoding="utf-8"
    )
    config = parse_training_config(path)
    for section in {"model", "data"} & set(content):
        for name, value in content[section]["init_args"].items():
            if not isinstance(value, list | dict):
                assert config[section]["init_args"][name] == value


MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(hierars_geo.__path__, "hierars_geo.")
    if not module.name.endswith("__main__")
)


def test_examples_of_the_docstrings_give_what_they_say():
    attempted = 0
    for name in MODULES:
        result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
        assert result.failed == 0, name
        attempted += result.attempted
    assert attempted > 40
