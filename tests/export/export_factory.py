"""Models with random weights whose classifiers say something else at every pixel."""

import torch

from hierars_geo.nn import ModelConfig, ModelRecord
from hierars_geo.taxonomy import Taxonomy

SMALL = ModelConfig("unet", "tu-test_resnet", options={"decoder_channels": [32, 16, 16, 8, 8]})


def make_model(config=SMALL, taxonomy="crop10m"):
    """A record and its model in eval mode; stored values are about 1000 +- 500."""
    torch.manual_seed(0)
    tree = Taxonomy.from_yaml(taxonomy)
    bands = ("B02", "B03", "B08")
    record = ModelRecord(tree, bands, (1000.0,) * 3, (500.0,) * 3, config, chip_size=64, gsd_m=10.0)
    model = record.build().eval()
    for classifier in model.segmenter.head.classifiers:
        torch.nn.init.normal_(classifier.weight, std=2.0)
    return record, model


def make_image(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return 1000 + 500 * torch.randn(shape, generator=generator)
