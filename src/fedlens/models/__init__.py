"""The paper's networks, smaller ones for CPUs, and what turns a module into a flat vector."""
