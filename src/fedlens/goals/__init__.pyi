from .success import Success as Success
from .success import TargetSamples as TargetSamples
from .target_samples import Target as Target
