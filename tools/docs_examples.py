"""What MkDocs calls while it reads docstrings: it shows a section ``Example:`` as code with its output."""

import re

import griffe


class Examples(griffe.Extension):
    """Calls the section ``Examples:``, as griffe does."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rename the section of one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
