"""The direction of the imports, read from the source: lazy and type-only ones count as well."""

import ast
import re
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "hierars_geo"

#: Rooms, lowest first; a room imports only rooms that stand above it in this list. Rooms in one line stand
#: beside each other and do not know each other.
ORDER = (
    ("errors", "imports"),
    ("types", "output"),
    ("taxonomy",),
    ("grid",),
    ("polygons",),
    ("scenes",),
    ("models", "metrics"),
    ("losses",),
    ("datasets",),
    ("samplers", "transforms"),
    ("datamodules",),
    ("tasks",),
    ("maps",),
    ("predict",),
    ("export", "vector"),
    ("accuracy",),
    ("report",),
    ("viewer",),
    ("results",),
    ("synthetic", "catalog"),
    ("cli",),
    ("__main__",),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}

#: What a room must not know, besides the rooms below it in the list.
MUST_NOT_KNOW = {
    "errors": {"torch", "rasterio"},
    "output": {"torch"},
    "taxonomy": {"torch", "rasterio"},
    "grid": {"torch", "rasterio", "geopandas", "pyogrio"},
    "polygons": {
        "rasterio.io",
        "rasterio.features",
        "rasterio.windows",
        "torch",
    },  # rasterio.crs has newer codes
    "scenes": {"torchgeo"},
    "models": {"rasterio", "pyproj", "lightning", "geopandas", "torchgeo", "hierars_geo.scenes"},
    "losses": {"rasterio", "lightning", "torchgeo"},
    "metrics": {"rasterio", "pyproj", "geopandas"},
    "datasets": {"hierars_geo.models", "segmentation_models_pytorch", "timm"},
    "datamodules": {"hierars_geo.models", "segmentation_models_pytorch", "timm"},
    "tasks": {"hierars_geo.datasets", "hierars_geo.datamodules", "rasterio", "torchgeo"},
    "maps": {"torch", "hierars_geo.models", "hierars_geo.tasks"},
    "predict": {"hierars_geo.datasets", "hierars_geo.tasks", "torchgeo"},
    "export": {"hierars_geo.datasets", "lightning", "torchgeo"},
    "vector": {"hierars_geo.models", "torch"},
    "report": {"hierars_geo.models", "torch"},
    "viewer": {"hierars_geo.models", "torch"},
}

MAX_LINES = 400


@dataclass(frozen=True)
class Import:
    """One import: who, what, and whether it stands inside a function."""

    module: str
    target: str
    line: int
    in_function: bool

    @property
    def room(self) -> str:
        return _room(self.module)

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _modules() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".")
    if MODULES[module].name != "__init__.py":
        package = package[:-1]
    package = package[: len(package) - (node.level - 1)]
    return ".".join([*package, node.module] if node.module else package)


def _imports(module: str) -> list[Import]:
    found = []

    def visit(node: ast.AST, in_function: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(module, alias.name, node.lineno, in_function) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                found.append(Import(module, name if name in MODULES else base, node.lineno, in_function))
        inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(TREES[module], in_function=False)
    return found


IMPORTS = [item for module in MODULES for item in _imports(module)]
OWN = [item for item in IMPORTS if item.target.split(".")[0] == PACKAGE]


def test_the_reader_sees_imports_of_every_kind():
    assert len(MODULES) > 20
    assert any(item.in_function for item in IMPORTS if item.room == "cli")
    assert any(item.room == "maps" and item.target.startswith("hierars_geo.taxonomy") for item in OWN)
    assert any(
        item.module == "hierars_geo.taxonomy.tree" and item.target == "hierars_geo.errors" for item in OWN
    )


def test_every_room_has_a_rank():
    rooms = {_room(module) for module in MODULES} - {""}
    assert rooms <= set(RANK)


def test_imports_go_downwards_only():
    wrong = [
        f"{item} (rank {RANK[item.room]} -> {RANK[above]})"
        for item in OWN
        if item.room
        and (above := _room(item.target))
        and above != item.room
        and RANK[above] >= RANK[item.room]
    ]
    assert wrong == []


def test_the_root_imports_no_room_before_it_is_asked_for():
    assert [item for item in OWN if item.module == PACKAGE] == []


@pytest.mark.parametrize("room", MUST_NOT_KNOW)
def test_rooms_do_not_know_what_is_none_of_their_business(room):
    forbidden = tuple(MUST_NOT_KNOW[room])
    wrong = [
        str(item)
        for item in IMPORTS
        if item.room == room and any(item.target == f or item.target.startswith(f + ".") for f in forbidden)
    ]
    assert wrong == []


def test_no_import_of_our_own_hides_in_a_function_outside_the_command_line():
    assert [str(item) for item in OWN if item.in_function and item.room != "cli"] == []


def test_no_cycle_among_modules():
    graph = {
        module: {i.target for i in OWN if i.module == module and i.target != module} for module in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


#: What few modules alone may call; ``rasterio.open`` with a mode behind the path writes.
PLACES = {
    "rasterio.open": {f"{PACKAGE}.scenes.dataset", f"{PACKAGE}.maps.writer"},  # which looks at what it wrote
    "rasterio.open to write": {
        f"{PACKAGE}.{module}"
        for module in (
            "catalog.assembly.chips",
            "datasets.geo_raster",
            "maps.cog",
            "maps.common_classes",
            "maps.writer",
            "synthetic.product",
        )
    },
    "Reader": {f"{PACKAGE}.viewer.reading"},  # rio-tiler's: tiles of what a map page shows
    "MemoryFile": set(),
    "torch.load": {f"{PACKAGE}.models.plain_file"},
    "WarpedVRT": set(),  # the reader alone resamples
}


def test_rasters_and_checkpoints_are_opened_where_they_should_be():
    found = {name: set() for name in PLACES}
    for module, tree in TREES.items():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            if name == "rasterio.open" and len(call.args) > 1:
                name += " to write"
            if name in found:
                found[name].add(module)
    assert found == PLACES


def _isort_key(name: str) -> tuple[int, list[int | str]]:
    """Constants, classes, the rest, each in natural order: what ruff's RUF022 sorts by."""
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


@pytest.mark.parametrize(
    "module",  # packages, and rooms of one module
    [
        m
        for m, p in MODULES.items()
        if m != PACKAGE and (p.name == "__init__.py" or (m.count(".") == 1 and not p.name.startswith("_")))
    ],
)
def test_each_face_ends_with_a_sorted_tuple(module):
    last = TREES[module].body[-1]
    assert isinstance(last, ast.Assign)
    assert [target.id for target in last.targets] == ["__all__"]
    assert isinstance(last.value, ast.Tuple)
    names = [element.value for element in last.value.elts]
    assert names == sorted(names, key=_isort_key)
    assert len(names) == len(set(names))


def test_the_room_of_one_module_names_all_that_others_may_take_from_it():
    """What a module defines without an underscore is its face, as ``__init__`` is that of a package."""
    missing = {}
    for module, path in MODULES.items():
        if module.count(".") != 1 or path.name.startswith("_") or path.name == "__init__.py":
            continue
        body = TREES[module].body
        defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        named = set(ast.literal_eval(body[-1].value))
        if lacking := {name for name in defined if not name.startswith("_")} - named:
            missing[module] = lacking
    assert missing == {}


def test_no_module_is_too_long():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}
