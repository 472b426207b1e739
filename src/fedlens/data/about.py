"""The origin of a data set: what is to be said wherever results on it are shown."""

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """The origin of a data set.

    Attributes:
        source: address of its authors' page.
        citation: publication to cite.
        licence: its terms, by name; ``None`` if its authors have stated none, so that samples must not be passed on.

    Example:
        >>> from fedlens.data import Adult
        >>> Adult.about.licence
        'CC BY 4.0'
    """

    source: str
    citation: str
    licence: str | None = None
