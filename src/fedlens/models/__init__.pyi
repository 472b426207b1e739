from .cnn import PaperCnn as PaperCnn
from .cnn import SmallCnn as SmallCnn
from .cnn import TinyCnn as TinyCnn
from .mlp import CensusMlp as CensusMlp
from .model import Model as Model
from .network import Network as Network
