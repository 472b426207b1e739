from .analysis.run_results import Run as Run
from .analysis.run_results import load_run as load_run
from .attacks.attack import Attack as Attack
from .attacks.attack import View as View
from .core.errors import FedlensError as FedlensError
from .data.dataset import Data as Data
from .data.dataset import Dataset as Dataset
from .data.dataset import Samples as Samples
from .data.partition import Partition as Partition
from .defences.detector import Detector as Detector
from .defences.detector import Inspection as Inspection
from .defences.detector import Verdict as Verdict
from .defences.rule import Aggregate as Aggregate
from .defences.rule import Received as Received
from .defences.rule import Rule as Rule
from .experiment.experiment import Experiment as Experiment
from .explanations.explaining import explain as explain
from .explanations.methods.method import Method as Method
from .goals.success import TargetSamples as TargetSamples
from .models.model import Model as Model
from .runs.loading import load_experiment as load_experiment
from .simulation.simulation import run as run
from .simulation.simulation import simulate as simulate
from .sweeps.sweep import Sweep as Sweep
from .sweeps.sweep import sweep as sweep

Auxiliary = TargetSamples
__all__: list[str]
