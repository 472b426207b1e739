from .grid import Grid as Grid
from .sweep import Sweep as Sweep
from .sweep_directory import SweepDirectory as SweepDirectory
