"""The wheel and the source archive as they are built: what is inside, and that one gives the other."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the wheel and the source archive of this tree."""
    return _build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(built):
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory):
    """The root of the unpacked source archive."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


def _build(root: Path, out: Path) -> Path:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(out)], cwd=root, check=True)
    return out


def _files(folder: str) -> set[str]:
    paths = (ROOT / folder).rglob("*")
    return {p.relative_to(ROOT).as_posix() for p in paths if p.is_file() and "__pycache__" not in p.parts}


def test_the_wheel_holds_the_package_and_the_catalog_inside_it_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    catalog = _files("data_catalog")
    assert {"data_catalog/taxonomies/mm5b.yaml", "data_catalog/sensors/sentinel2.yaml"} <= catalog
    assert names == _files("hierars_geo") | {f"hierars_geo/{name}" for name in catalog}


def test_the_wheel_names_its_command_its_licence_and_no_folder_of_this_machine(wheel):
    with zipfile.ZipFile(wheel) as archive:
        records = {name.split(".dist-info/")[1]: name for name in archive.namelist() if ".dist-info/" in name}
        entry_points = archive.read(records["entry_points.txt"]).decode()
        metadata = archive.read(records["METADATA"]).decode()
    assert "hierars-geo = hierars_geo.cli:main" in entry_points
    assert "licenses/LICENSE" in records
    assert "License-Expression: MIT" in metadata
    assert str(ROOT) not in metadata


def test_the_source_archive_holds_what_the_tests_read(unpacked):
    assert (unpacked / ".ci" / "run").stat().st_mode & 0o111
    for folder in ("data_catalog", "docs", "experiments", "tests"):
        found = {path.relative_to(unpacked).as_posix() for path in (unpacked / folder).rglob("*.*")}
        assert {name for name in _files(folder) if name.endswith((".py", ".yaml", ".md"))} <= found


def test_the_source_archive_builds_the_same_wheel_to_the_byte(wheel, unpacked, tmp_path):
    again = next(_build(unpacked, tmp_path).glob("*.whl"))
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()
