"""Make the modules of experiments/ importable, as they are for its scripts."""

import sys
from pathlib import Path

EXPERIMENTS = Path(__file__).parents[2] / "experiments"

sys.path.insert(0, str(EXPERIMENTS))
