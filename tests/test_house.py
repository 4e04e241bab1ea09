"""The files around the package agree with each other: dependencies, README, licence, CI."""

import re
import shutil
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


def test_the_conda_recipe_has_the_version_names_bounds_and_command_of_pyproject():
    recipe = yaml.safe_load((ROOT / ".ci" / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    found = _requirements(recipe["requirements"]["run"])
    expected = _requirements(PROJECT["project"]["dependencies"])
    expected["python"] = PROJECT["project"]["requires-python"]
    assert {CONDA_NAMES.get(name, name): bounds for name, bounds in found.items()} == expected
    built_by = _requirements(PROJECT["build-system"]["requires"])["hatchling"]
    host = dict(line.split(" ", 1) for line in recipe["requirements"]["host"] if " " in line)
    assert host["hatchling"] == built_by
    assert recipe["context"]["version"] == PROJECT["project"]["version"]
    scripts = [" = ".join(item) for item in PROJECT["project"]["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    assert (ROOT / ".ci" / "conda" / recipe["source"]["path"]).resolve() == ROOT
    assert (recipe["about"]["license"], recipe["about"]["license_file"]) == ("MIT", "LICENSE")


def test_the_container_for_training_installs_what_was_tested():
    recipe = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    base = re.search(r"^FROM python:(\d\.\d+)-slim$", recipe, re.MULTILINE)
    assert f">={base[1]}" == PROJECT["project"]["requires-python"]
    installed = re.search(r'pip install .*-c /tmp/source/constraints\.txt "/tmp/source\[(.+)\]"', recipe)
    assert set(installed[1].split(",")) <= set(PROJECT["project"]["optional-dependencies"])
    (command,) = PROJECT["project"]["scripts"]
    assert f'ENTRYPOINT ["{command}"]' in recipe


def test_the_citation_names_this_version_and_the_paper_of_the_readme():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    own = {key: PROJECT["project"][key] for key in ("version", "license", "keywords")}
    assert {key: citation[key] for key in own} == own
    assert citation["title"] == PROJECT["project"]["name"]
    paper = citation["references"][0]
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f'"{paper["title"]}", IEEE TGRS {paper["volume"]}, {paper["year"]}' in readme
    assert f"Cite {', '.join(author['family-names'] for author in paper['authors'])}" in readme
    number = paper["identifiers"][0]["value"].removeprefix("arXiv:")
    assert f"arXiv {number}" in readme


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-newest.txt"])
def test_constraints_pin_every_direct_dependency_within_its_bounds(name):
    pins = _pins(name)
    wanted = _direct_dependencies()
    assert set(pins) == {requirement.name.lower() for requirement in wanted}
    for requirement in wanted:
        assert requirement.specifier.contains(Version(pins[requirement.name.lower()])), requirement


def test_the_newest_constraints_are_no_older_and_reach_the_next_torchgeo():
    pins, newest = (
        {k: Version(v) for k, v in _pins(f).items()} for f in ("constraints.txt", "constraints-newest.txt")
    )
    assert all(newest[name] >= version for name, version in pins.items())
    assert newest["torchgeo"] >= Version("0.10") > pins["torchgeo"]


def test_constraints_minimum_are_the_floors():
    wanted = _direct_dependencies(without=("lint", "docs"))
    floors = {
        requirement.name.lower(): bound.version
        for requirement in wanted
        for bound in requirement.specifier
        if bound.operator == ">="
    }
    assert {requirement.name.lower() for requirement in wanted} == set(floors)
    assert _pins("constraints-minimum.txt") == floors


def test_predicting_alone_takes_versions_of_the_constraints_and_the_container_installs_them():
    asked, pins = _pins("requirements-predict.txt"), _pins("constraints.txt")
    assert len(asked) > 10
    assert {name: pins[name] for name in asked} == asked
    recipe = (ROOT / "Dockerfile.predict").read_text(encoding="utf-8")
    assert re.findall(r"pip install .* -r /tmp/source/(\S+)", recipe) == ["requirements-predict.txt"]
    assert re.search(r"pip install .*--no-deps /tmp/source", recipe)
    base = re.search(r"^FROM python:(\d\.\d+)-slim$", recipe, re.MULTILINE)
    assert f">={base[1]}" == PROJECT["project"]["requires-python"]


def test_the_containers_are_built_from_what_they_install_and_hold_what_gdal_loads():
    recipes = [(ROOT / name).read_text(encoding="utf-8") for name in ("Dockerfile", "Dockerfile.predict")]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    named = {name for text in recipes for name in re.findall(r"/tmp/source/([\w.-]+)", text)}
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    read = {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
    assert let_in == {*named, *wheel, *read}
    assert all(re.search(r"^RUN apt-get .* libexpat1 ", text, re.MULTILINE) for text in recipes)


def test_the_source_archive_names_every_tracked_file_and_folder_at_the_root():
    included = set(PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    assert {name.split("/")[0] for name in _tracked()} <= included | {"pyproject.toml"}


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
    targets = (
        "install",
        "demo",
        "test",
        "test-minimum",
        "test-newest",
        "wheel-check",
        "lint",
        "bench",
        "fuzz",
        "help",
        "clean",
    )
    for target in targets:
        assert re.search(rf"^{target}:.* ## ", makefile, re.MULTILINE), target


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("target", ["install", "test-minimum", "test-newest", "fuzz"])
def test_make_asks_for_extras_that_exist(target):
    """A dry run: what the shell would get, after make has split its arguments at commas."""
    dry = ["make", "-n", "-W", "pyproject.toml", target]
    said = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    asked = re.findall(r"-e (\S+)", said)
    assert asked
    for what in asked:
        extras = re.fullmatch(r"'\.\[(.*)\]';?", what)
        assert extras, what
        assert set(extras[1].split(",")) <= set(PROJECT["project"]["optional-dependencies"])


def test_continuous_integration_tests_first_then_lints():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    commands = re.findall(r"^ *make ([\w-]+)", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert commands == ["test", "lint", "test-newest"]


def test_the_search_for_a_newer_python_finds_one_or_says_that_there_is_none(tmp_path):
    def search():
        environment = {"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
        return subprocess.run(
            [ROOT / ".ci" / "newest-python"], env=environment, capture_output=True, text=True
        )

    missing = search()
    assert (missing.returncode, missing.stdout) == (1, "")
    assert re.fullmatch(r"found no Python 3\.12 .*\n", missing.stderr)
    here = tmp_path / "versions" / "3.13.9" / "bin" / "python"
    here.parent.mkdir(parents=True)
    here.write_text("#!/bin/sh\ncase \"$2\" in *'(3, 13)'*) echo it;; esac\n")
    here.chmod(0o755)
    assert search().stdout == "it\n"


def test_every_finding_is_a_script_of_pinned_packages_with_a_line_in_the_documentation():
    scripts = sorted((ROOT / "findings").glob("*"))
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    assert len(scripts) >= 6
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE)) == {path.stem for path in scripts}
    for path in scripts:
        text = path.read_text(encoding="utf-8")
        asked = re.search(r"pip install (.*)", text)[1].split()
        packages = [word for word in asked if not word.startswith("-")]
        assert path.stat().st_mode & 0o111, path
        assert packages, path
        assert all(re.fullmatch(r"[a-z0-9-]+==[\d.]+", word) for word in packages), path
        assert "trap 'rm -rf \"$work\"' EXIT" in text, path
        assert "hierars" not in text, path


def test_no_tracked_file_names_a_folder_of_one_machine():
    found = []
    for name in _tracked():
        path = ROOT / name
        if not path.is_file() or name.startswith("Dockerfile"):  # whose folders are the container's
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{name}:{n}: {line.strip()}" for n, line in enumerate(lines, 1) if MACHINE_PATH.search(line)
        ]
    assert found == []


def _direct_dependencies(without: tuple[str, ...] = ()) -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"]
    lines = PROJECT["project"]["dependencies"] + [
        line for name, extra in extras.items() if name not in without for line in extra
    ]
    return [Requirement(line) for line in lines]


def _pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def _tracked() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("no Git repository")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name]
