"""Lightning modules: what is trained, how, and what is scored on the way."""

from .base import SegmentationTask
from .calibration import calibrate
from .callbacks import AveragedWeights, NeverPredicted, ProgressLines, RequireLabels
from .checkpoints import WholeCheckpoints, write_checkpoint
from .drawing import DrawChips
from .linear_head import LinearHead
from .loss import LossOptions, class_weights
from .optimizer import (
    LayerGroups,
    OptimizerOptions,
    ScheduleOptions,
    layer_groups,
    parameter_groups,
    warmup_polynomial,
)
from .pixel_baseline import PixelBaseline
from .segmentation import BHCCMTask, StartOptions
from .step_bar import StepBar
from .training_data import TrainingData
from .transfer import TransferStart, TransLUTask

__all__ = (
    "AveragedWeights",
    "BHCCMTask",
    "DrawChips",
    "LayerGroups",
    "LinearHead",
    "LossOptions",
    "NeverPredicted",
    "OptimizerOptions",
    "PixelBaseline",
    "ProgressLines",
    "RequireLabels",
    "ScheduleOptions",
    "SegmentationTask",
    "StartOptions",
    "StepBar",
    "TrainingData",
    "TransLUTask",
    "TransferStart",
    "WholeCheckpoints",
    "calibrate",
    "class_weights",
    "layer_groups",
    "parameter_groups",
    "warmup_polynomial",
    "write_checkpoint",
)
