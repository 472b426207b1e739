"""Numbers from recorded runs: windows, outcomes, red flags, comparisons, intervals."""
