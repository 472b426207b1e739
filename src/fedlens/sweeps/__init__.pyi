from .cell import Cell as Cell
from .grid import Grid as Grid
from .sweep import Sweep as Sweep
from .sweep_directory import SweepDirectory as SweepDirectory
from .sweep_observer import SweepObserver as SweepObserver
from .tasks import Event as Event
