from .cnn import PaperCnn as PaperCnn
from .cnn import SmallCnn as SmallCnn
from .cnn import TinyCnn as TinyCnn
from .dropout import Dropout as Dropout
from .evaluation import Quality as Quality
from .mlp import CensusMlp as CensusMlp
from .model import Model as Model
from .network import Network as Network
