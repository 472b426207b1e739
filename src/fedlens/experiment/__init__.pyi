from .attackers import Attackers as Attackers
from .cell import Cell as Cell
from .experiment import Experiment as Experiment
from .failures import Failures as Failures
