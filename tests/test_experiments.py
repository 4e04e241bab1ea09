"""Every configuration of experiments/ is one that ``fit`` accepts: class paths, options, types."""

from pathlib import Path

import pytest
import yaml

from hierars_geo.catalog_files import catalog_names
from hierars_geo.cli.training_cli import parse_training_config
from hierars_geo.errors import OptionError
from hierars_geo.nn import ModelConfig, build_segmenter

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
CONFIGS = sorted(EXPERIMENTS.rglob("*.yaml"))

pytestmark = [
    # Lightning reminds that arguments from Python replace those of the process, which is what is meant here,
    # and calls jsonargparse by names that jsonargparse deprecates.
    pytest.mark.filterwarnings("ignore:LightningCLI's args parameter:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(params=CONFIGS, ids=[str(path.relative_to(EXPERIMENTS)) for path in CONFIGS])
def config(request):
    return request.param


def test_there_are_experiments():
    assert EXPERIMENTS / "quickstart" / "bhccm_s2.yaml" in CONFIGS


def test_the_options_exist_and_have_the_right_types(config):
    parsed = parse_training_config(config)
    assert parsed.model.class_path.startswith("hierars_geo.tasks.")
    assert parsed.data.class_path.startswith("hierars_geo.data.")


def test_names_a_tree_of_the_catalog_and_a_model_that_can_be_built(config):
    parsed = parse_training_config(config)
    taxonomy = parsed.data.init_args.taxonomy
    assert taxonomy in catalog_names("taxonomies") or (config.parent / taxonomy).is_file()
    model = parsed.model.init_args
    options = dict(model.model_options or {})
    build_segmenter(
        ModelConfig(model.architecture, model.encoder, model.mode, model.dropout, options), 4, (2, 3)
    )


def test_a_misspelled_option_is_refused(config, tmp_path):
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    content["data"]["init_args"]["chip_sizes"] = 64
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(OptionError, match="chip_sizes"):
        parse_training_config(wrong)
