from .as_rule import as_rule as as_rule
from .by_rule import ByRule as ByRule
from .legacy import LegacyScreened as LegacyScreened
from .play import Exchange as Exchange
from .play import Played as Played
from .play import play as play
from .screened import Screened as Screened
