from .local import LocalTraining as LocalTraining
from .optimizers import Optimizer as Optimizer
from .optimizers import Variable as Variable
