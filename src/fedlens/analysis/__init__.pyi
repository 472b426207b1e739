from .intervals import Interval as Interval
from .intervals import estimate as estimate
from .intervals import rate as rate
from .intervals import wilson as wilson
