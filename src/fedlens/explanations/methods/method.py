"""The interface of explanation methods, which attribute the logit of a class to the entries of an input."""

from torch import Tensor, nn

from fedlens.core.config import Config


class Method(Config):
    """A method of explanation; derive from it to add your own.

    Example:
        >>> import torch
        >>> from fedlens import Method, explain
        >>> class Share(Method):
        ...     def attribute(self, model, inputs, classes):
        ...         return inputs / inputs.sum(1, keepdim=True)
        >>> explain(torch.nn.Linear(2, 2), torch.tensor([[1.0, 3.0]]), method=Share())
        tensor([[0.2500, 0.7500]])
    """

    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        """Attribute the logits of `classes` (``[n]``, int64) to the entries of `inputs`; of the inputs' shape.

        A sample's attribution must not depend on what else is in the batch.

        Args:
            model: from inputs to logits ``[n, classes]``; a private copy in evaluation mode, whose parameters take no
                gradient. Its layers may be changed.
            inputs: a few samples, ``[n, ...]``.
            classes: the class of each.

        Raises:
            ExplanationError: the method does not suit the model.
        """
        raise NotImplementedError

    @property
    def copies(self) -> int:
        """Return how many inputs the method computes for one; batches are smaller by this factor."""
        return 1
