from fedlens.analysis.run_results import Run as Run, load_run as load_run
from fedlens.attacks.attack import Attack as Attack, View as View
from fedlens.core.errors import FedlensError as FedlensError
from fedlens.data.dataset import Data as Data, Dataset as Dataset, Samples as Samples
from fedlens.data.partition import Partition as Partition
from fedlens.defences.detector import Detector as Detector, Inspection as Inspection, Verdict as Verdict
from fedlens.defences.rule import Aggregate as Aggregate, Received as Received, Rule as Rule
from fedlens.experiment.experiment import Experiment as Experiment
from fedlens.explanations.explaining import explain as explain
from fedlens.explanations.methods.method import Method as Method
from fedlens.goals.success import Auxiliary as Auxiliary
from fedlens.models.model import Model as Model
from fedlens.runs.loading import load_experiment as load_experiment
from fedlens.simulation.simulation import run as run, simulate as simulate
from fedlens.sweeps.playing import Sweep as Sweep, sweep as sweep
