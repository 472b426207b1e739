"""The dense network of a task in JAX."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import optax
from arrays import Layers


def forward(layers: Layers, x: jax.Array, drop: float = 0.0, key: jax.Array | None = None) -> jax.Array:
    """The logits of a batch, with dropout if there is a `key`."""
    for number, (weight, bias) in enumerate(layers[:-1]):
        x = jax.nn.relu(x @ weight + bias)
        if key is not None:
            kept = jax.random.bernoulli(jax.random.fold_in(key, number), 1 - drop, x.shape)
            x = jnp.where(kept, x / (1 - drop), 0)
    weight, bias = layers[-1]
    return x @ weight + bias


def losses(logits: jax.Array, y: jax.Array) -> jax.Array:
    """The cross-entropy of each sample."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, y)
