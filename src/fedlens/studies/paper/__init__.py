"""The paper's claims: the runs that they need, and the verdict on each."""
