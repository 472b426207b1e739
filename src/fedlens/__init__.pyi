from fedlens.analysis.run_results import Run as Run
from fedlens.analysis.run_results import load_run as load_run
from fedlens.attacks.attack import Attack as Attack
from fedlens.attacks.attack import View as View
from fedlens.core.errors import FedlensError as FedlensError
from fedlens.data.dataset import Data as Data
from fedlens.data.dataset import Dataset as Dataset
from fedlens.data.dataset import Samples as Samples
from fedlens.data.partition import Partition as Partition
from fedlens.defences.detector import Detector as Detector
from fedlens.defences.detector import Inspection as Inspection
from fedlens.defences.detector import Verdict as Verdict
from fedlens.defences.rule import Aggregate as Aggregate
from fedlens.defences.rule import Received as Received
from fedlens.defences.rule import Rule as Rule
from fedlens.experiment.experiment import Experiment as Experiment
from fedlens.explanations.explaining import explain as explain
from fedlens.explanations.methods.method import Method as Method
from fedlens.goals.success import TargetSamples as TargetSamples
from fedlens.models.model import Model as Model
from fedlens.runs.loading import load_experiment as load_experiment
from fedlens.simulation.simulation import run as run
from fedlens.simulation.simulation import simulate as simulate
from fedlens.sweeps.sweep import Sweep as Sweep
from fedlens.sweeps.sweep import sweep as sweep

Auxiliary = TargetSamples
__all__: list[str]
