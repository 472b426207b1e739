"""The module of `fedlens.models.char_lstm`."""

from torch import Tensor, nn


class CharacterReader(nn.Module):
    """A network that reads characters and gives logits of the next one.

    Example:
        >>> import torch
        >>> from fedlens.models.character_reader import CharacterReader
        >>> CharacterReader(5, 2, 3, 1)(torch.tensor([[0, 4, 1]])).shape
        torch.Size([1, 5])
    """

    def __init__(self, characters: int, embedding: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, embedding)
        self.lstm = nn.LSTM(embedding, hidden, layers, batch_first=True)
        self.dense = nn.Linear(hidden, characters)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``[n, characters]`` of what follows `x` (``[n, T]``, whole numbers).

        Raises:
            TypeError: `x` are no whole numbers.
        """
        if x.is_floating_point():
            raise TypeError("it reads characters by their numbers, which are whole")
        read, _ = self.lstm(self.embedding(x))
        logits: Tensor = self.dense(read[:, -1])
        return logits
