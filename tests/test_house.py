"""The files around the package agree with each other: dependencies, wheel, README, licence, CI."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import hierars_geo

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

#: conda-forge's name -> the package index's.
CONDA_NAMES = {"pytorch": "torch"}

#: Folders that only one machine has, in any tracked text.
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|root|Users|work|mnt|opt|var|srv)/[\w.]|\b[A-Z]:\\\\?[\w.]")


def _requirements(lines: list[str]) -> dict[str, str]:
    parsed = [Requirement(line) for line in lines]
    return {requirement.name.lower(): str(requirement.specifier) for requirement in parsed}


def test_environment_has_the_names_and_bounds_of_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    found = _requirements(environment["dependencies"])
    expected = _requirements(PROJECT["project"]["dependencies"])
    expected |= {"python": PROJECT["project"]["requires-python"], "pip": ""}
    assert {CONDA_NAMES.get(name, name): bounds for name, bounds in found.items()} == expected
    assert environment["channels"] == ["conda-forge", "nodefaults"]


def test_constraints_pin_every_direct_dependency_within_its_bounds():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = [
        Requirement(line) for line in PROJECT["project"]["dependencies"] + [r for e in extras for r in e]
    ]
    assert set(pins) == {requirement.name.lower() for requirement in wanted} | {"torchvision"}
    for requirement in wanted:
        assert requirement.specifier.contains(Version(pins[requirement.name.lower()])), requirement


def test_the_wheel_carries_the_catalog_inside_the_package():
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["only-include"]) == {"hierars_geo", "data_catalog"}
    assert wheel["sources"] == {"data_catalog": "hierars_geo/data_catalog"}
    assert list((ROOT / "data_catalog").glob("*/*.yaml"))


def test_every_catalog_file_is_tracked():
    tracked = set(_tracked())
    present = {path.relative_to(ROOT).as_posix() for path in (ROOT / "data_catalog").rglob("*.yaml")}
    assert present <= tracked


def test_version_is_said_once():
    assert PROJECT["project"]["version"] == hierars_geo.__version__


def test_licence_is_there_and_named():
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert PROJECT["project"]["license"] == "MIT"


def test_readme_gives_the_two_commands_that_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in readme
    for target in ("install", "demo", "test", "lint", "bench", "help", "clean"):
        assert re.search(rf"^{target}:.* ## ", makefile, re.MULTILINE), target


def test_continuous_integration_tests_first_then_lints():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    commands = re.findall(r"^make (\w+)$", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert commands == ["test", "lint"]


def test_no_tracked_file_names_a_folder_of_one_machine():
    found = []
    for name in _tracked():
        path = ROOT / name
        if not path.is_file():
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{name}:{n}: {line.strip()}" for n, line in enumerate(lines, 1) if MACHINE_PATH.search(line)
        ]
    assert found == []


def _tracked() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("no Git repository")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name]
