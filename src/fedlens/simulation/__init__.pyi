from .callback import Observer as Observer
from .simulation import run as run
from .simulation import simulate as simulate
