"""The bench, made once; every case runs in this process, as a user's command would."""

import pytest
from fault_bench import make_bench
from fault_case import place, settle

from hierars_geo.cli import main


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    made = make_bench(tmp_path_factory.mktemp("bench"))
    options = ["--device", "cpu", "--confidence"]
    command = ["predict", made.words["CKPT"], made.words["SCENE"], "-o", made.words["MAPS"], *options]
    assert main(command) == 0
    return made


@pytest.fixture
def run_case(bench, tmp_path, monkeypatch, capfd):
    """Make a case, run it in an empty folder, and hold the outcome to it."""

    def run(case):
        monkeypatch.chdir(tmp_path)
        if case.make is not None:
            case.make(tmp_path, bench)
        before = {path: path.stat().st_mtime_ns for path in bench.folder.rglob("*")}
        capfd.readouterr()
        status = main([place(word, tmp_path, bench) for word in case.words])
        stdout, stderr = capfd.readouterr()
        settle(case, status, stdout, stderr, tmp_path, bench)
        assert before == {path: path.stat().st_mtime_ns for path in bench.folder.rglob("*")}

    return run
