"""Jobs, result files, tables and plots of the experiments' runner, against numbers made by hand."""

import csv
import json
import statistics
from pathlib import Path

import pytest
from runner import (
    draw_efficiency,
    draw_scores,
    efficiency,
    efficiency_markdown,
    leaves_markdown,
    plan_jobs,
    read_results,
    record_measured,
    summarise,
    to_csv,
    to_json,
    to_markdown,
    write_result,
)
from runner.table import Spread

from hierars_geo.errors import MissingFileError, OptionError


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "place.yaml"
    labels = "data: {init_args: {labels: [few/labels_100.tif]}}"
    path.write_text(f"# head\nmodel: {{mode: 0}}\n{labels}\n", encoding="utf-8")
    return path


@pytest.fixture
def overlays(tmp_path):
    paths = [tmp_path / "flat.yaml", tmp_path / "bhccm.yaml"]
    for number, path in enumerate(paths):
        path.write_text(f"model: {{mode: {number}}}\n", encoding="utf-8")
    return paths


def _result(job, miou, hce=0.5):
    """A result of two levels; leaf classes of 90, 8, 2 and 0 test pixels."""
    leaves = [
        {"name": name, "f1": f1, "support": support}
        for name, f1, support in (("a", 0.9, 90), ("b", 0.5, 8), ("c", miou, 2), ("d", None, 0))
    ]
    levels = {
        "L1": {"miou": miou + 0.1, "oa": 0.9, "classes": leaves[:2]},
        "L2": {"miou": miou, "oa": 0.8, "classes": leaves},
    }
    scores = {"levels": levels, "consistency": hce, "tree_distance": {"mean_all": 0.25}}
    return {
        "group": job.group,
        "variant": job.variant,
        "seed": job.seed,
        "steps": 10,
        "parameters": 1_500_000,
        "hardware": "abacus",
        "train_seconds": {"wall": 3.0, "cpu": 2.0},
        "decoded": scores,
        "argmax": scores,
    }


def test_jobs_run_all_variants_under_the_first_seed_first(base, overlays):
    jobs = plan_jobs([base], [overlays], [3, 1, 3])
    assert [(job.group, job.variant, job.seed) for job in jobs] == [
        ("place", "flat", 3),
        ("place", "bhccm", 3),
        ("place", "flat", 1),
        ("place", "bhccm", 1),
    ]
    assert plan_jobs([base], [], [0])[0].variant == "base"


def test_lists_of_overlays_are_crossed_and_shares_name_their_labels(base, overlays):
    jobs = plan_jobs([base], [overlays, overlays[:1]], [0], [1, 100])
    assert [job.variant for job in jobs] == [
        "flat_flat_001",
        "flat_flat_100",
        "bhccm_flat_001",
        "bhccm_flat_100",
    ]
    assert jobs[0].configs == (base, overlays[0], overlays[0])
    assert jobs[0].options == ("--data.init_args.labels", '["few/labels_001.tif"]')
    overlays[0].write_text(
        "data: {init_args: {labels: [{path: ['sparse/{base}/labels_100/leaf'], priority: 1}]}}",
        encoding="utf-8",
    )
    (job,) = plan_jobs(
        [base], [overlays[:1], overlays[1:]], [0], [5]
    )  # the last file that names labels counts
    assert job.options[1] == '[{"path": ["sparse/place/labels_005/leaf"], "priority": 1}]'
    overlays[0].write_text("model: {mode: 0}", encoding="utf-8")
    base.write_text("data: {init_args: {labels: [all.tif]}}", encoding="utf-8")
    with pytest.raises(OptionError, match=r"labels_100 .* but got .*all\.tif.*place\.yaml"):
        plan_jobs([base], [overlays], [0], [10])


def test_overlays_that_go_together_are_one_variant_of_the_base_s_own(base, overlays, tmp_path):
    own = tmp_path / "place_features.yaml"
    own.write_text("model: {mode: 5}", encoding="utf-8")
    together = Path(f"{tmp_path}/{{base}}_features.yaml+{overlays[1]}")
    flat, both = plan_jobs([base], [[overlays[0], together]], [0])
    assert (flat.variant, both.variant) == ("flat", "bhccm")
    assert both.configs == (base, own, overlays[1])


def test_a_job_is_known_by_what_its_files_say(base, overlays):
    def digest(*overrides):
        return plan_jobs([base], [overlays[:1]], [0], (), overrides)[0].digest

    before = digest()
    assert digest("--trainer.max_steps", "3") != before
    text = base.read_text(encoding="utf-8")
    base.write_text("\n".join(reversed(text.splitlines())) + "\n# a score\n", encoding="utf-8")
    assert digest() == before
    overlays[0].write_text("model: {mode: 7}\n", encoding="utf-8")
    assert digest() != before


def test_variants_that_cannot_be_told_apart_are_refused(base, overlays):
    with pytest.raises(OptionError, match="place/flat twice"):
        plan_jobs([base], [[overlays[0], overlays[0]]], [0])


def test_a_configuration_that_is_none_is_refused(base, overlays, tmp_path):
    with pytest.raises(MissingFileError, match=r"nothing\.yaml to be a configuration"):
        plan_jobs([base], [[tmp_path / "nothing.yaml"]], [0])
    overlays[0].write_text("- 1\n", encoding="utf-8")
    with pytest.raises(OptionError, match=r"flat\.yaml to hold model, data or trainer"):
        plan_jobs([base], [overlays], [0])


def test_results_are_found_again_and_absent_ones_left_out(base, overlays, tmp_path):
    jobs = plan_jobs([base], [overlays], [0, 1])
    write_result(tmp_path, jobs[2], _result(jobs[2], 0.5))
    assert [(r["variant"], r["seed"]) for r in read_results(tmp_path, jobs)] == [("flat", 1)]
    assert [path.suffix for path in (tmp_path / "results").iterdir()] == [".json"]


@pytest.fixture
def rows(base, overlays):
    jobs = plan_jobs([base], [overlays], [0, 1, 2])
    mious = {("flat", 0): 0.4, ("flat", 1): 0.6, ("flat", 2): 0.5, ("bhccm", 0): 0.7}
    results = [_result(j, mious[j.variant, j.seed]) for j in jobs if (j.variant, j.seed) in mious]
    results[0]["decoded"]["consistency"] = None  # as a flat model has it
    return summarise(results, rare_share=0.05)


def test_a_summary_is_mean_and_sample_deviation_over_the_seeds(rows):
    flat, bhccm = rows
    assert (flat.variant, flat.seeds, bhccm.seeds) == ("flat", (0, 1, 2), (0,))
    assert flat.figures["L2 mIoU"].mean == pytest.approx(50)
    assert flat.figures["L2 mIoU"].std == pytest.approx(100 * statistics.stdev([0.4, 0.5, 0.6]))
    assert bhccm.figures["L2 mIoU"].std is None
    assert "consistency" not in flat.figures
    assert bhccm.figures["consistency"].mean == pytest.approx(50)


def test_a_gain_is_the_mean_difference_of_the_same_seeds(rows):
    _, bhccm = rows
    # seed 0 alone has both: 0.7 against 0.4
    assert bhccm.gains["L2 mIoU"].mean == pytest.approx(30)
    assert bhccm.gains["L2 mIoU"].std is None
    assert "consistency" not in bhccm.gains
    assert "| bhccm | +30.0 | +0.0 |" in to_markdown(rows)


def test_gains_have_the_interval_of_their_mean_and_sets_a_mean_over_them(base, overlays, tmp_path):
    other = tmp_path / "lake.yaml"
    other.write_text(base.read_text(encoding="utf-8"), encoding="utf-8")
    jobs = plan_jobs([base, other], [overlays], [0, 1, 2])
    mious = {"flat": (0.4, 0.6, 0.5), "bhccm": (0.5, 0.8, 0.8)}
    results = [
        _result(job, mious[job.variant][job.seed] - 0.1 * (job.group == "lake"))
        for job in jobs
        if (job.group, job.variant, job.seed) != ("lake", "bhccm", 2)
    ]
    rows = {(row.group, row.variant): row for row in summarise(results, rare_share=0.05)}
    # 10, 20, 30: 20 and 4.303 x 10 / sqrt(3), Student's t of two degrees of freedom
    assert "| bhccm | +20.0 [-4.8, +44.8] |" in to_markdown([rows["place", "flat"], rows["place", "bhccm"]])
    # what one of the sets lacks is left out: seeds 0 and 1, the second set 10 points below the first
    assert rows["mean", "bhccm"].seeds == (0, 1)
    assert rows["mean", "bhccm"].figures["leaf mIoU"].mean == pytest.approx(60)
    assert rows["mean", "bhccm"].gains["leaf mIoU"].mean == pytest.approx(15)
    leaves = leaves_markdown(list(rows.values())).splitlines()
    assert "| variant | seeds | place | lake | mean |" in leaves
    scores = "70.0 ± 17.3 / 80.0 ± 0.0 | 55.0 ± 21.2 / 80.0 ± 0.0 | 60.0 ± 21.2 / 80.0 ± 0.0"
    assert f"| bhccm | 2 or 3 | {scores} |" in leaves
    assert "| bhccm | 2 or 3 | +20.0 [-4.8, +44.8] | +15.0 [-48.5, +78.5] | +15.0 [-48.5, +78.5] |" in leaves
    assert Spread.of([2, 3, 4]).interval_text(bold=True) == "**+3.0 [+0.5, +5.5]**"
    record_measured(list(rows.values()), tmp_path / "measured.json")
    assert "mean/flat" not in (tmp_path / "measured.json").read_text(encoding="utf-8")


def test_rare_classes_are_those_that_occur_seldom(rows):
    # c alone has less than 5 % of the pixels; d never occurs
    assert rows[0].figures["rare F1"].mean == pytest.approx(50)


def test_markdown_has_a_line_per_variant(rows):
    lines = to_markdown(rows).splitlines()
    assert lines[0] == "## place"
    cells = dict(zip(lines[2].split(" | "), lines[4].split(" | "), strict=True))
    assert cells["L2 mIoU"] == "50.0 ± 10.0"
    assert cells["tree distance"] == "0.250 ± 0.000"
    assert cells["parameters, M"] == "1.50"
    assert lines[5].startswith("| bhccm | 0 | 80.0 | 90.0 | 70.0 | 80.0 |")


def test_csv_and_json_hold_the_same(rows):
    read = list(csv.DictReader(to_csv(rows).splitlines()))
    assert [line["variant"] for line in read] == ["flat", "bhccm"]
    assert float(read[0]["L2 mIoU std"]) == pytest.approx(10)
    assert read[1]["L2 mIoU std"] == ""
    assert json.loads(to_json(rows))[0]["figures"]["L2 mIoU"]["mean"] == pytest.approx(50)


def test_what_was_measured_is_entered_beside_what_is_known(rows, tmp_path):
    path = tmp_path / "measured.json"
    path.write_text('{"other/flat": {"time": "1 s"}, "place/flat": {"time": "2 s"}}', encoding="utf-8")
    record_measured(rows, path)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert list(found) == ["other/flat", "place/bhccm", "place/flat"]
    assert found["other/flat"] == {"time": "1 s"}
    assert found["place/flat"] == {
        "hardware": "abacus",
        "time": "2 s of CPU a training",
        "score": "test chips, 3 seeds, coarse to fine: "
        "mIoU 60.0 ± 10.0 / 50.0 ± 10.0; OA 90.0 ± 0.0 / 80.0 ± 0.0",
    }


def test_the_plot_is_a_png(rows, tmp_path):
    draw_scores(rows, tmp_path / "place.png")
    assert (tmp_path / "place.png").read_bytes().startswith(b"\x89PNG")


def _labelled(variant, seed, miou, **iou):
    """A result whose configuration is named by a share of labels."""
    classes = [{"name": name, "iou": value, "support": 5} for name, value in iou.items()]
    classes.append({"name": "absent", "iou": None, "support": 0})
    levels = {"L1": {"miou": 0.9, "classes": []}, "L2": {"miou": miou, "classes": classes}}
    return {"group": "crops", "variant": variant, "seed": seed, "decoded": {"levels": levels}}


def test_label_efficiency_is_by_variant_and_share_over_the_seeds(tmp_path):
    results = [
        _labelled("translu_100", 0, 0.9, maize=0.8),
        _labelled("translu_001", 0, 0.4, maize=0.3),
        _labelled("translu_001", 1, 0.6, maize=0.5),
        _labelled("scratch_001", 0, 0.2, maize=0.1),
        _labelled("flat", 0, 0.2, maize=0.1),
    ]
    rows = efficiency(results)
    assert [(r.variant, r.per_cent, r.seeds) for r in rows] == [
        ("translu", 1, 2),
        ("translu", 100, 1),
        ("scratch", 1, 1),
    ]
    assert rows[0].miou.mean == pytest.approx(50)
    assert rows[0].miou.std == pytest.approx(100 * statistics.stdev([0.4, 0.6]))
    assert {name: spread.mean for name, spread in rows[0].iou.items()} == pytest.approx({"maize": 40})
    text = efficiency_markdown(rows)
    assert "| translu | 2 | 50.0 ± 14.1 | 40.0 ± 14.1 |" in text
    assert text.index("labels_001") < text.index("labels_100")
    draw_efficiency(rows, tmp_path / "crops.png")
    assert (tmp_path / "crops.png").read_bytes().startswith(b"\x89PNG")
