"""Models with random weights whose classifiers say something else at every pixel."""

from dataclasses import replace

import torch

from hierars_geo.models import CDKSOptions, ModelConfig, ModelRecord, Transfer, TransLU, build_model
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

SMALL = ModelConfig("unet", "tu-test_resnet", options={"decoder_channels": [32, 16, 16, 8, 8]})


def make_model(config=SMALL, taxonomy="crop10m", source=None):
    """A record and its model in eval mode; stored values are about 1000 +- 500.

    With a source's record the model has two branches, which talk.
    """
    torch.manual_seed(0)
    tree = Taxonomy.from_yaml(taxonomy)
    bands = ("B02", "B03", "B08")
    record = ModelRecord(
        tree, ReadRecipe(bands), (1000.0,) * 3, (500.0,) * 3, config, chip_size=64, gsd_m=10.0
    )
    if source is not None:
        record = replace(record, transfer=Transfer(source, options=CDKSOptions(heads=4)))
    model = build_model(record).eval()
    scene = model.target if isinstance(model, TransLU) else model
    for name, parameter in model.named_parameters():
        if "cdks.interactions" in name and parameter.ndim == 1 and not parameter.any():
            torch.nn.init.constant_(parameter, 0.3)  # the gains, 0 before any training
    for classifier in scene.segmenter.head.classifiers:
        torch.nn.init.normal_(classifier.weight, std=2.0)
    model.pool_gates(record.chip_size)  # as the loaded checkpoint's
    return record, model


def make_image(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return 1000 + 500 * torch.randn(shape, generator=generator)
