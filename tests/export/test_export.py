"""One graph does what the model and its decoding do, in ONNX Runtime too, at sizes it was not traced with."""

import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from export_factory import make_image, make_model
from pystac import STACObjectType
from pystac.extensions.mlm import MLMExtension
from pystac.item import Item
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from torch import nn

from hierars_geo.cli import main
from hierars_geo.errors import OptionError, OutputError
from hierars_geo.export import DeepnessGraph, MapGraph, deepness_metadata, export_model
from hierars_geo.models import ModelConfig, jsps, level_confidence
from hierars_geo.predict.network import translation
from hierars_geo.predict.network.graph import AnySizeAveragePool

#: Sizes and batches that no graph is traced with: aligned, odd, tiny, one image and several.
SHAPES = ((1, 64, 64), (3, 65, 97), (2, 5, 3), (1, 33, 20))


def expected(model, record, image):
    """Path logits, raster values and confidences by the functions that predict uses."""
    paths = torch.tensor(record.taxonomy.paths)
    with torch.inference_mode():
        logits = model.path_logits(image, image.isfinite().all(dim=1), paths)
    return logits, jsps(logits, paths), level_confidence(logits, paths, model.curves)


def assert_same_maps(found, model, record, image):
    """Outputs of a graph as arrays agree with PyTorch on every pixel but ties."""
    taxonomy, valid = record.taxonomy, image.isfinite().all(dim=1).numpy()
    logits, classes, confidence = expected(model, record, image)
    # SegNeXt's factorisation adds up the most rounding: 2.8e-3 was seen, on logits of -20 to 20
    np.testing.assert_allclose(found["path_logits"], logits, atol=5e-3, rtol=1e-3)
    first, second = np.sort(logits.numpy(), axis=1)[:, ::-1][:, :2].swapaxes(0, 1)
    decided = first - second > 1e-2
    # else too little was compared; of the few pixels of a tiny image two may be ties
    assert (~decided[valid]).sum() <= max(2, 0.05 * valid.sum())
    for level in range(1, taxonomy.num_levels + 1):
        values = taxonomy.index_to_value(classes[:, level - 1].numpy(), level)
        mapped = found[f"class_L{level}"]
        np.testing.assert_array_equal(mapped[decided & valid], values[decided & valid])
        assert (mapped[~valid] == taxonomy.nodata_value).all()
        sure = found[f"confidence_L{level}"]
        np.testing.assert_allclose(sure[valid], confidence[:, level - 1].numpy()[valid], atol=1e-3)
        assert (sure[~valid] == 0).all()


def run_onnx(path, image):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": image.numpy()}), strict=True)), session


@pytest.fixture(scope="module")
def exported(save_model):
    """Through the command line, once."""
    checkpoint, record, model = save_model(ModelConfig("unet", "tu-test_resnet", "coarse_to_fine"))
    assert main(["export", str(checkpoint), "--format", "onnx"]) == 0
    return checkpoint.with_suffix(".onnx"), record, model


def test_onnx_runtime_agrees_with_pytorch_at_every_size_and_batch(exported):
    path, record, model = exported
    for batch, height, width in SHAPES:
        image = make_image(batch, 3, height, width)
        image[0, 1, 2, 1] = float("nan")
        image[-1, 0, 0, 0] = float("inf")
        found, session = run_onnx(path, image)
        assert_same_maps(found, model, record, image)
    assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]
    assert session.get_outputs()[1].shape == ["batch", "height", "width"]
    stored = json.loads(session.get_modelmeta().custom_metadata_map["hierars_geo"])
    assert type(record).from_dict(stored, "x.onnx") == record


def test_the_item_describes_the_graph_in_the_words_of_mlm(exported):
    path, record, model = exported
    content = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert_core_stac(content)
    item = Item.from_dict(content)
    found = MLMExtension.ext(item)
    assert content["stac_version"].startswith("1.1")  # its core has the bands
    assert "https://stac-extensions.github.io/mlm/v1.4.0/schema.json" in item.stac_extensions
    assert (found.mlm_name, found.tasks) == ("hierars-geo unet tu-test_resnet", ["semantic-segmentation"])
    assert found.framework == "ONNX"
    assert found.total_parameters == sum(p.numel() for p in model.parameters())
    (given,) = found.input
    assert given.bands == list(record.bands) == [band["name"] for band in item.properties["bands"]]
    assert given.input.shape == [-1, 3, -1, -1]
    assert content["properties"]["mlm:input"][0]["value_scaling"] is None  # it is inside
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    types = {"tensor(float)": "float32", "tensor(int32)": "int32"}
    described = [(out.name, len(out.result.shape), out.result.data_type) for out in found.output]
    assert described == [(out.name, len(out.shape), types[out.type]) for out in session.get_outputs()]
    leaves = content["properties"]["mlm:output"][3]["classification:classes"]
    assert [entry["value"] for entry in leaves] == list(record.taxonomy.class_values(3))
    asset = item.assets["model"]
    assert (asset.href, asset.roles) == ("./model.onnx", ["mlm:model", "mlm:weights"])


def assert_core_stac(content):
    """Hold an item to the core schema of STAC 1.1 that pystac ships."""
    assert JsonSchemaSTACValidator().validate_core(content, STACObjectType.ITEM, "1.1.0")


def test_maps_of_a_flat_model_and_of_leaves_with_several_paths():
    for config, taxonomy in (
        (ModelConfig("unet", "tu-test_resnet", "flat"), "mm5b"),
        (ModelConfig("unet", "tu-test_resnet", "coarse_to_fine"), "crop10m"),
        (ModelConfig("unet", "tu-test_resnet"), "whdld"),
    ):
        record, model = make_model(config, taxonomy)
        model.curves = (((0.0, 0.0), (0.4, 0.6), (1.0, 0.9)),) * record.taxonomy.num_levels  # calibrated
        graph = MapGraph(model, record).eval()
        image = make_image(2, 3, 40, 33)
        image[0, 0, :5] = float("nan")
        with torch.inference_mode():
            arrays = [output.numpy() for output in graph(image)]
        assert_same_maps(dict(zip(graph.output_names, arrays, strict=True)), model, record, image)


def test_what_deepness_takes_is_the_decoded_class_of_the_stored_values():
    record, model = make_model()
    graph = DeepnessGraph(model, record).eval()
    image = make_image(2, 3, 64, 64).clamp(0, 255).round()
    metadata = {key: json.loads(text) for key, text in deepness_metadata(record, 64).items()}
    # as the plugin does: to 0..1, standardise, the largest channel of every output
    mean, std = (
        torch.tensor(metadata[f"standardization_{key}"])[None, :, None, None] for key in ("mean", "std")
    )
    with torch.inference_mode():
        scores = graph((image / 255 - mean) / std)
    _, classes, confidence = expected(model, record, image)
    assert graph.output_names == ("scores_L1", "scores_L2", "scores_L3")
    for level, score in enumerate(scores, start=1):
        names = metadata["class_names"][level - 1]
        assert [names[str(i)] for i in range(score.shape[1])] == [
            "no data",
            *record.taxonomy.class_names(level),
        ]
        assert (score.argmax(dim=1) == classes[:, level - 1] + 1).float().mean() > 0.999
        torch.testing.assert_close(score.sum(dim=1), confidence[:, level - 1], atol=1e-4, rtol=0)
    assert (metadata["model_type"], metadata["tile_size"], metadata["resolution"]) == ("Segmentor", 64, 1000)


@pytest.mark.parametrize(("nodata", "rule"), [(None, "all"), (-9999.0, "all"), (65535.0, "any")])
def test_deepness_makes_no_class_of_what_holds_no_data(nodata, rule):
    record, model = make_model()
    record = replace(record, read=replace(record.read, nodata=nodata, nodata_rule=rule))
    graph = DeepnessGraph(model, record).eval()
    image = make_image(1, 3, 64, 64).clamp(1, 255).round()
    image[:, :, :20, :30] = 0 if nodata is None else nodata
    image[:, 0, 40:, 40:] = 0 if nodata is None else nodata  # in one band only
    empty = torch.zeros(64, 64, dtype=torch.bool)
    empty[:20, :30] = True
    empty[40:, 40:] |= rule == "any"
    with torch.inference_mode():
        scores = graph((image / 255) * 255)
    for score in scores:
        assert torch.equal(score[0].argmax(dim=0) == 0, empty)


@pytest.mark.parametrize("cells", [(2, 2), (3, 3), (6, 6), (2, 5)])
def test_pools_of_any_size_are_the_librarys(cells):
    ours, theirs = AnySizeAveragePool(cells), nn.AdaptiveAvgPool2d(cells)
    for size in ((1, 1), (2, 3), (6, 6), (7, 16), (31, 12)):
        x = torch.randn(2, 3, *size)
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-6, rtol=1e-5)


def test_wrong_calls_are_one_line(save_model, monkeypatch, capsys):
    checkpoint, _, _ = save_model()
    for options, message in (
        ({"out": "model.pt2"}, r"end in \.onnx, but got 'model\.pt2'"),
        ({"tile_px": 64}, "together with deepness"),
        ({"deepness": True, "format": "torch"}, "format onnx for Deepness"),
        ({"deepness": True, "tile_px": 8}, "32 or more, but got 8"),
        ({"format": "tflite"}, "one of onnx, torch, but got 'tflite'"),
    ):
        with pytest.raises(OptionError, match=message):
            export_model(checkpoint, **options)
    checkpoint.with_suffix(".onnx").write_text("mine")
    with pytest.raises(OutputError, match="--overwrite"):
        export_model(checkpoint)
    monkeypatch.setattr(translation, "find_spec", lambda name: None if name == "onnx" else object())
    assert main(["export", str(checkpoint), "--overwrite"]) == 2
    assert capsys.readouterr().err.strip().endswith("Install it: pip install 'hierars-geo[onnx]'.")
    assert checkpoint.with_suffix(".onnx").read_text() == "mine"


def test_swin_is_refused_before_the_tracer_starts(save_model):
    options = {"decoder_channels": 32, "embed_dim": 24, "depths": (2, 2, 2, 2)}
    checkpoint, _, _ = save_model(ModelConfig("upernet", "swin_tiny", options=options))
    with pytest.raises(OptionError, match=r"upernet with swin_tiny cannot.*Use another encoder"):
        export_model(checkpoint)


def test_a_model_that_cannot_be_traced_is_refused_by_name(save_model, monkeypatch):
    checkpoint, _, _ = save_model()

    def asks_for_a_value(self, image):
        return image if bool(image.sum() > 0) else -image

    monkeypatch.setattr(MapGraph, "forward", asks_for_a_value)
    with pytest.raises(OptionError, match="unet with tu-test_resnet cannot"):
        export_model(checkpoint, format="torch")
    assert not checkpoint.with_suffix(".pt2").exists()
    assert not checkpoint.with_suffix(".json").exists()


NARROW = {"decoder_channels": 32}
FAMILIES = {
    "unet": ModelConfig("unet", "resnet18", options={"decoder_channels": [32, 16, 16, 8, 8]}),
    "convnext": ModelConfig("upernet", "convnext_atto", options=NARROW),
    "deit3": ModelConfig("upernet", "deit3_small", options=NARROW),
    "segnext": ModelConfig("segnext", "mscan_tiny", options={"decoder_channels": 64}),
    "deeplab": ModelConfig("deeplabv3plus", "resnet18", options=NARROW),
    "segformer": ModelConfig(
        "segformer", "mit_b0", mode="flat", options={"decoder_segmentation_channels": 32}
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_agrees_in_onnx_runtime(family, save_model):
    checkpoint, record, model = save_model(FAMILIES[family], "mm5b")
    path = export_model(checkpoint).model
    for batch, height, width in (*SHAPES, (2, 160, 96)):
        image = make_image(batch, 3, height, width)
        assert_same_maps(run_onnx(path, image)[0], model, record, image)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_both_branches_are_in_the_file(save_model):
    source, _ = make_model(FAMILIES["unet"], "mm5b")
    checkpoint, record, model = save_model(FAMILIES["unet"], "crop10m", source)
    path = export_model(checkpoint).model
    for batch, height, width in SHAPES:
        image = make_image(batch, 3, height, width)
        assert_same_maps(run_onnx(path, image)[0], model, record, image)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_torch_program_agrees(save_model):
    checkpoint, record, model = save_model()
    written = export_model(checkpoint, format="torch")
    assert_core_stac(json.loads(written.item.read_text(encoding="utf-8")))
    extra = {"hierars_geo": ""}
    program = torch.export.load(written.model, extra_files=extra).module()
    assert type(record).from_dict(json.loads(extra["hierars_geo"]), "x.pt2") == record
    for batch, height, width in ((1, 64, 64), (3, 65, 97), (2, 64, 40)):
        image = make_image(batch, 3, height, width)
        with torch.inference_mode():
            arrays = [output.numpy() for output in program(image)]
        assert_same_maps(dict(zip(written.outputs, arrays, strict=True)), model, record, image)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_deepness_file_has_square_tiles_and_names_per_output(save_model):
    checkpoint, record, model = save_model()
    written = export_model(checkpoint, deepness=True, tile_px=96)
    assert_core_stac(json.loads(written.item.read_text(encoding="utf-8")))
    image = make_image(3, 3, 96, 96)
    found, session = run_onnx(written.model, image)
    assert session.get_inputs()[0].shape == ["batch", 3, 96, 96]
    assert [out.shape for out in session.get_outputs()] == [
        ["batch", 1 + count, 96, 96] for count in record.taxonomy.num_classes
    ]
    names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])
    assert [len(level) - 1 for level in names] == list(record.taxonomy.num_classes)
    _, classes, _ = expected(model, record, image)
    for level in (1, 2, 3):
        same = found[f"scores_L{level}"].argmax(axis=1) == classes[:, level - 1].numpy() + 1
        assert same.mean() > 0.999
