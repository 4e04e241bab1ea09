"""Train and score lists of configurations: each under several seeds, each once."""

from .jobs import Job, plan_jobs
from .plots import draw_scores
from .results import read_results, write_result
from .table import VariantRow, summarise, to_csv, to_json, to_markdown
from .training import run_job

__all__ = (
    "Job",
    "VariantRow",
    "draw_scores",
    "plan_jobs",
    "read_results",
    "run_job",
    "summarise",
    "to_csv",
    "to_json",
    "to_markdown",
    "write_result",
)
