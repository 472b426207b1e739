"""What a method of explanation is: it says how much each entry of an input counts for the logit of a class."""

from torch import Tensor, nn

from fedlens.core.config import Config


class Method(Config):
    """A method's description; derive from it to bring your own."""

    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        """Attributions to the logits of `classes` (``[n]``, int64) at `inputs` (``[n, ...]``); of the inputs' shape.

        A sample's attribution does not depend on what else is in the batch.

        Args:
            model: from inputs to logits ``[n, classes]``; a copy that nobody else has, in evaluation mode, whose
                parameters want no gradient. Layers of it may be changed.
            inputs: a few samples.
            classes: the class of each.

        Raises:
            ExplanationError: the method does not suit the model.
        """
        raise NotImplementedError

    @property
    def copies(self) -> int:
        """How many inputs it computes at once for one; this many times fewer samples are given to it at once."""
        return 1
