"""Numbers of things in words."""


def counted(count: int, noun: str) -> str:
    """Say how many there are: ``1 round``, ``3 rounds``."""
    return f"{count} {noun}{'s' * (count != 1)}"


def share_of(count: int, whole: int, noun: str) -> str:
    """Say how many of all are: ``2 of 3 rounds``; of a single one, ``1 of 1 round``."""
    return f"{count} of {counted(whole, noun)}"
