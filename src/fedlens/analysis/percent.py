"""Fractions as people read them."""


def percent(share: float) -> str:
    """Format a fraction as a percentage with one decimal."""
    return f"{100 * share:.1f} %"
