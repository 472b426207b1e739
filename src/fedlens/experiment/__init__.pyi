from .cell import Cell as Cell
from .experiment import Experiment as Experiment
