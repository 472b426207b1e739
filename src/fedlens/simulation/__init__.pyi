from .callback import Callback as Callback
from .callback import Event as Event
from .simulation import run as run
from .simulation import simulate as simulate
