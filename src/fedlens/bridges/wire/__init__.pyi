from .archive import LoggedRound as LoggedRound
from .archive import LoggedUpdate as LoggedUpdate
from .archive import UnreadableError as UnreadableError
from .archive import logged_rounds as logged_rounds
from .archive import read_arrays as read_arrays
from .archive import write_arrays as write_arrays
from .codec import Codec as Codec
from .codec import MalformedError as MalformedError
