from .record import RoundRecord as RoundRecord
from .record import RoundResult as RoundResult
from .state import FederationState as FederationState
