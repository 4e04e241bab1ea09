"""The folder of a training: its own, and none where nothing came to lie in it."""

from hierars_geo.cli.run_folder import FailedStart, default_loggers, share_version


def loggers(folder):
    return [
        {"class_path": name, "init_args": {"save_dir": str(folder), "name": "logs", "version": None}}
        for name in ("CSVLogger", "TensorBoardLogger")
    ]


def test_loggers_share_a_number_and_the_next_training_gets_another_before_anything_is_written(tmp_path):
    first, second = loggers(tmp_path / "runs"), loggers(tmp_path / "runs")
    made = share_version(first)
    share_version(second)
    assert [logger["init_args"]["version"] for logger in (*first, *second)] == [0, 0, 1, 1]
    assert made == [tmp_path / "runs" / "logs" / "version_0", tmp_path / "runs" / "logs", tmp_path / "runs"]


def test_the_root_of_the_trainer_is_the_home_of_loggers_of_which_nothing_is_said(tmp_path):
    plain, named = default_loggers(), loggers(tmp_path / "named")
    for logger in plain:
        logger["init_args"] |= {"name": "logs", "version": None}
    share_version([*plain, *named], str(tmp_path / "root"))
    assert {logger["init_args"]["save_dir"] for logger in plain} == {str(tmp_path / "root")}
    assert {logger["init_args"]["save_dir"] for logger in named} == {str(tmp_path / "named")}
    assert (tmp_path / "root" / "logs" / "version_0").is_dir()


def test_an_address_makes_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    far = loggers("s3://bucket")
    assert share_version(far) == []
    assert far[0]["init_args"]["version"] == 0
    assert list(tmp_path.iterdir()) == []


def test_what_was_made_is_taken_back_where_it_is_empty(tmp_path):
    start = FailedStart()
    start.made = share_version(loggers(tmp_path / "runs"))
    share_version(loggers(tmp_path / "runs"))
    start.take_back()
    assert [path.name for path in (tmp_path / "runs" / "logs").iterdir()] == ["version_1"]


def test_what_a_killed_training_left_is_taken_away_by_the_next(tmp_path):
    share_version(loggers(tmp_path / "runs"))
    run = tmp_path / "runs" / "logs" / "version_0"
    left = run / "checkpoints" / ".last.ckpt.abcdefg1.part"
    left.mkdir(parents=True)
    (left / "last.ckpt").write_text("half")
    (run / ".config.yaml.abcdefg2.part").mkdir()
    (run / "checkpoints" / "best.ckpt").write_text("whole")
    share_version(loggers(tmp_path / "runs"))
    assert sorted(path.name for path in run.rglob("*")) == ["best.ckpt", "checkpoints"]
