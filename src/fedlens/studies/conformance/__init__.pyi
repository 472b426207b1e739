from .case import Case as Case
from .case import Cohort as Cohort
from .conforming import Conformance as Conformance
from .conforming import Finding as Finding
from .conforming import conform as conform
