"""The Dask engine: the local engine's bytes, whoever computes them, and what goes wrong."""

import importlib
import json
import os
import signal
import threading
import time

import numpy as np
import pytest
import rasterio.shutil
from raster_factory import write_raster

distributed = pytest.importorskip("distributed")

from hierars_geo.catalog import build_catalog  # noqa: E402
from hierars_geo.cli import main  # noqa: E402
from hierars_geo.errors import CheckpointError, ClusterError, MissingFileError, OptionError  # noqa: E402
from hierars_geo.predict import PredictOptions, Predictor, engine_dask, scene_run  # noqa: E402
from hierars_geo.predict.engine import SceneJob  # noqa: E402
from hierars_geo.predict.engine_dask import DaskEngine  # noqa: E402
from hierars_geo.predict.memory import MemoryBudget  # noqa: E402
from hierars_geo.predict.rows import ChunkWriter  # noqa: E402
from hierars_geo.types import MaskRule, ReadRecipe, SeriesRule  # noqa: E402


@pytest.fixture
def engine():
    """Two workers as threads of this process: quick to start."""
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
        ) as cluster,
        DaskEngine(cluster.scheduler_address, chunk_rows=64) as engine,
    ):
        yield engine
    engine_dask.cached_predictor.cache_clear()


def pixels(prediction):
    values = {}
    for name, path in prediction.layers.items():
        with rasterio.open(path) as dataset:
            values[name] = dataset.read()
    return values


def assert_same_maps(a, b):
    first, second = pixels(a), pixels(b)
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name)
        assert a.layers[name].read_bytes() == b.layers[name].read_bytes()


def count_chunks(predictor, scene):
    with predictor.open(scene) as opened:
        return len(predictor.chunk_plan(opened, chunk_rows=64))


def test_the_maps_are_the_local_engines_to_the_byte(save_checkpoint, write_scene, tmp_path, engine):
    scene = write_scene()
    predictor = Predictor(
        save_checkpoint(),
        PredictOptions(window=64, overlap=0.5, confidence=True, chunk_px=70, batch_size=3),
        device="cpu",
    )
    done = []
    local = predictor.predict(scene, tmp_path / "local")
    dask = predictor.predict(
        scene, tmp_path / "dask", engine=engine, progress=lambda *counts: done.append(counts)
    )
    assert_same_maps(local, dask)
    assert sum(engine.chunks_by_worker.values()) == count_chunks(predictor, scene) > 3
    assert done[-1][0] == done[-1][1]


def test_a_season_of_a_stac_collection_beside_an_image(save_checkpoint, tmp_path, engine, small_chunks):
    """The bytes of its folder, clouds left out by the items' own masks; the image by its name."""
    random = np.random.default_rng(0)
    write_raster(tmp_path / "radar.tif", random.integers(1, 3000, (2, 96, 160)), ["VV", "VH"], dtype="uint16")
    bands = ("B02", "B03", "B04", "B08")
    for day in ("20200310", "20200622"):
        for tile, left in ((0, 500_000), (1, 500_800)):
            path = tmp_path / "season" / f"T{tile}_{day}.tif"
            place = {"left": left, "crs": "EPSG:32650"}
            pixels = random.integers(200, 3000, (4, 96, 80))
            write_raster(path, pixels, bands, nodata=0, dtype="uint16", **place)
            clouds = np.kron(random.choice([4, 9], (6, 5)), np.ones((8, 8))).astype("uint8")
            write_raster(path.with_name(f"{path.stem}_SCL.tif"), clouds[None], res=20, **place)
    build_catalog(tmp_path / "season", tmp_path / "catalog")
    rule = SeriesRule(start="03-01", end="09-30")
    sources = {
        "sentinel1": ReadRecipe(("VV", "VH"), "sentinel1"),
        "sentinel2": ReadRecipe(bands, "sentinel2", series=rule, mask=MaskRule(("cloud",))),
    }
    named = tuple(f"{name}:{band}" for name, own in sources.items() for band in own.bands)
    checkpoint = save_checkpoint(bands=named, temporal="mean", series=rule, sources=sources)
    predictor = Predictor(checkpoint, PredictOptions(window=64), "cpu")
    scene = {"sentinel1": tmp_path / "radar.tif", "sentinel2": tmp_path / "season"}
    local = predictor.predict(scene, tmp_path / "local")
    scene["sentinel2"] = tmp_path / "catalog"  # a folder that holds the collection and its items alone
    dask = predictor.predict(scene, tmp_path / "dask", engine=engine)
    assert_same_maps(local, dask)
    with rasterio.open(local.layers["L3"]) as dataset:
        clear = dataset.read(1) != 0
    assert 0.5 < clear.mean() < 0.9  # cloudy at both dates in a quarter of it
    assert len(dask.scene.properties["hierars:dates"]) == 2
    # days of one command share workers, each of which holds one model
    engine_dask.cached_predictor.cache_clear()
    sources, early = [f"{name}={path}" for name, path in scene.items()], tmp_path / "early"
    assert small_chunks(checkpoint, sources, early, "--until", "2020-05-01,2020-07-01") == 0
    assert engine_dask.cached_predictor.cache_info().misses == 1
    whole = early / "2020-07-01" / "radar_L3.tif"
    assert whole.read_bytes() == local.layers["L3"].read_bytes()
    assert (early / "2020-05-01" / "radar_L3.tif").read_bytes() != whole.read_bytes()


def test_a_run_that_broke_off_is_resumed_by_the_cluster_to_the_same_bytes(
    save_checkpoint, write_scene, tmp_path, engine
):
    scene, out = write_scene(), tmp_path / "dask"
    predictor = Predictor(
        save_checkpoint(),
        PredictOptions(window=64, overlap=0.5, chunk_px=70, batch_size="auto"),
        device="cpu",
    )
    local = predictor.predict(scene, tmp_path / "local")
    stored, original = [], ChunkWriter.append

    def append(self, rows):
        original(self, rows)
        stored.append(rows.window.row)
        if len(stored) == 3:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChunkWriter, "append", append)
        with pytest.raises(KeyboardInterrupt):
            predictor.predict(scene, out, engine=engine)
    assert not list(out.glob("*.tif"))
    engine.chunks_by_worker.clear()
    dask = predictor.predict(scene, out, engine=engine, resume=True)
    assert sum(engine.chunks_by_worker.values()) == count_chunks(predictor, scene) - 3
    assert_same_maps(local, dask)


@pytest.mark.parametrize("asked_for", ["auto", None], ids=["automatic", "default"])
def test_a_batch_is_asked_of_a_worker_and_travels_with_the_job(
    save_checkpoint, write_scene, tmp_path, engine, monkeypatch, asked_for
):
    asked, jobs, original = [], [], DaskEngine.chunks

    def batch_size(self, job, window):
        asked.append(window)
        return 3

    def chunks(self, job, starts):
        jobs.append(job)
        return original(self, job, starts)

    monkeypatch.setattr(DaskEngine, "batch_size", batch_size)
    monkeypatch.setattr(DaskEngine, "chunks", chunks)
    checkpoint, scene = save_checkpoint(), write_scene()
    by_cluster = Predictor(checkpoint, PredictOptions(window=64, batch_size=asked_for), device="cpu").predict(
        scene, tmp_path / "a", engine=engine
    )
    local = Predictor(checkpoint, PredictOptions(window=64, batch_size=3), device="cpu").predict(
        scene, tmp_path / "b"
    )
    assert asked == [(64, 64)]
    assert [job.options.windows.batch_size for job in jobs] == [3]
    assert [job.options.windows.memory_mb for job in jobs] == [MemoryBudget.of(None).total_mb]
    assert_same_maps(by_cluster, local)


def job_for(checkpoint, rasters, sha256):
    predictor = Predictor(checkpoint, PredictOptions(window=64), device="cpu")
    return SceneJob(
        str(checkpoint), sha256 or predictor.loaded.sha256, "cpu", str(rasters), predictor.options, 64
    )


def test_a_worker_with_another_checkpoint_refuses(save_checkpoint, write_scene):
    engine_dask.cached_predictor.cache_clear()
    with pytest.raises(CheckpointError, match="same file on every machine"):
        engine_dask.predict_chunk(job_for(save_checkpoint(), write_scene(), "0" * 64), 0, 0)


def test_what_fails_on_a_worker_is_said_here(save_checkpoint, tmp_path, engine):
    job = job_for(save_checkpoint(), tmp_path / "gone.tif", None)
    with (
        pytest.raises(MissingFileError, match=r"gone\.tif"),
        engine.chunks(job, [(0, 0), (1, 64)]) as finished,
    ):
        list(finished)


@pytest.fixture
def small_chunks(engine, monkeypatch):
    """Scenes of several chunks, predicted by the cluster of ``engine`` from the command line."""
    monkeypatch.setattr(engine_dask.DaskEngine.__init__, "__defaults__", (None, None, 64))

    def run(checkpoint, scenes, out, *options):
        where = "--engine", "dask", "--scheduler", engine._client.scheduler.address
        words = ["predict", str(checkpoint), *map(str, scenes), "-o", str(out), "--device", "cpu"]
        return main([*words, "--window", "64", *where, *options])

    return run


def test_scenes_share_the_workers_while_files_are_written(
    save_checkpoint, write_scene, tmp_path, small_chunks, monkeypatch
):
    """The next scene's chunks are computed while the maps of the one before are made; bytes stay."""
    scenes = [write_scene(name, height=150, width=90, seed=n) for n, name in enumerate("abc")]
    cut = tmp_path / "cut.tif"
    rasterio.shutil.copy(scenes[1], cut, driver="COG", blocksize=128, compress="NONE")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])  # opens, and breaks off on the way
    checkpoint, local, dask = save_checkpoint(), tmp_path / "local", tmp_path / "dask"
    started, original, write = [], Predictor.rows, scene_run.write_results

    def rows(self, scene, *rest):  # called by workers
        started.append(scene.name)
        return original(self, scene, *rest)

    def write_results(scene, *rest):
        if scene.name == "a":
            wait_for(lambda: "cut" in started)
        write(scene, *rest)

    monkeypatch.setattr(Predictor, "rows", rows)
    monkeypatch.setattr(scene_run, "write_results", write_results)
    assert small_chunks(checkpoint, [scenes[0], cut, *scenes[1:]], dask) == 1
    status = [scene["status"] for scene in json.loads((dask / "manifest.json").read_text())["scenes"]]
    assert status == ["finished", "failed", "finished", "finished"]
    assert (
        engine_dask.cached_predictor.cache_info().misses == 1
    )  # one model for batch sizes and chunks of all
    monkeypatch.undo()
    for scene in scenes:
        Predictor(checkpoint, PredictOptions(window=64), "cpu").predict(scene, local)
        for level in (1, 2, 3):
            name = f"{scene.stem}_L{level}.tif"
            assert (dask / name).read_bytes() == (local / name).read_bytes()
    assert not [path.name for path in dask.iterdir() if path.name.startswith(".") and "cut" not in path.name]


def test_an_interrupt_gives_up_scenes_that_are_begun_and_resume_ends_them(
    save_checkpoint, write_scene, tmp_path, small_chunks, monkeypatch
):
    scenes = [write_scene(name, height=150, width=90, seed=n) for n, name in enumerate("abc")]
    checkpoint, out = save_checkpoint(), tmp_path / "dask"
    stored, original = [], ChunkWriter.append

    def append(self, rows):
        original(self, rows)
        stored.append(rows.window.row)
        if len(stored) == 4:  # the first of the second scene
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ChunkWriter, "append", append)
        assert small_chunks(checkpoint, scenes, out) == 130
    assert sorted(path.name for path in out.glob("*.json")) == ["a.json", "manifest.json"]
    assert [path.name for path in out.glob(".*")] == [".b.hierars-part"]  # of c nothing was stored
    assert small_chunks(checkpoint, scenes, out, "--resume") == 0
    assert len(list(out.glob("*_L1.tif"))) == 3
    assert not list(out.glob(".*"))


def wait_for(happened, limit_s=30.0):
    """Wait until something has happened; fail where it does not."""
    start = time.monotonic()
    while not happened():
        assert time.monotonic() - start < limit_s
        time.sleep(0.01)


def test_without_dask_one_line_says_how_to_get_it(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(OptionError, match=r"pip install 'hierars-geo\[dask\]'"):
        DaskEngine()


def test_an_address_where_nobody_answers_is_named(monkeypatch):
    monkeypatch.setattr(engine_dask, "_CONNECT_S", 0.5)
    with pytest.raises(ClusterError, match=r"scheduler at tcp://127\.0\.0\.1:9, but none answered"):
        DaskEngine("tcp://127.0.0.1:9")


@pytest.mark.slow
def test_a_worker_that_dies_on_the_way_is_replaced(save_checkpoint, write_scene, tmp_path):
    scene = write_scene(height=900, width=400)
    predictor = Predictor(save_checkpoint(), PredictOptions(window=64, overlap=0.5), device="cpu")
    local = predictor.predict(scene, tmp_path / "local")
    victims = []

    with DaskEngine(workers=2, chunk_rows=100) as engine:

        def kill_one():
            while not engine.chunks_by_worker:
                time.sleep(0.02)
            victim = int(next(iter(engine.chunks_by_worker)).rpartition(":")[2])
            victims.append(victim)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        dask = predictor.predict(scene, tmp_path / "dask", engine=engine)
        killer.join()
        workers = {int(name.rpartition(":")[2]) for name in engine.chunks_by_worker}
    assert victims
    assert len(workers) >= 2
    assert os.getpid() not in workers
    assert_same_maps(local, dask)
