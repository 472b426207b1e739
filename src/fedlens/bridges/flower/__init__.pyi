from .by_rule import ByRule as ByRule
from .legacy import LegacyScreened as LegacyScreened
from .screened import Screened as Screened
