"""What the lazy face holds, for type checkers and editors."""

from . import accuracy as accuracy
from . import catalog as catalog
from . import datamodules as datamodules
from . import datasets as datasets
from . import export as export
from . import losses as losses
from . import metrics as metrics
from . import models as models
from . import report as report
from . import samplers as samplers
from . import synthetic as synthetic
from . import tasks as tasks
from . import transforms as transforms
from . import vector as vector
from .errors import HieraRSError as HieraRSError
from .errors import HieraRSWarning as HieraRSWarning
from .models import Model as Model
from .models import load as load
from .predict import PredictOptions as PredictOptions
from .predict import Predictor as Predictor
from .results import Maps as Maps
from .results import predict as predict
from .scenes import Scene as Scene
from .tasks import calibrate as calibrate
from .taxonomy import Taxonomy as Taxonomy
from .types import ReadRecipe as ReadRecipe

__version__: str
