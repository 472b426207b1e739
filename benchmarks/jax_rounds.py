"""Plays rounds of federated averaging in plain JAX one at a time: see `stepping`.

What somebody who knows JAX would write by hand for one experiment: a client's round is one compiled function, a `scan`
over its batches, whose order the host draws; two processes of one thread each, clients split between them by hand.
"""

import sys
from pathlib import Path

import numpy as np
from arrays import Arrays
from halves import Trainer, play


def make_trainer(arrays: Arrays, seed: int) -> Trainer:
    """What trains and evaluates in one process."""
    import jax
    import jax.numpy as jnp
    import optax
    from jax_network import forward, losses

    optimizer, size = optax.adam(arrays.learning_rate), arrays.batch_size
    generator, key = np.random.default_rng(seed), jax.random.key(seed)

    def step(state, batch):  # type: ignore[no-untyped-def]
        layers, moments, key = state
        key, used = jax.random.split(key)
        x, y = batch
        gradient = jax.grad(lambda layers: losses(forward(layers, x, arrays.drop, used), y).mean())(layers)
        changes, moments = optimizer.update(gradient, moments, layers)
        return (optax.apply_updates(layers, changes), moments, key), None

    @jax.jit
    def train(layers, x, y, orders, key):  # type: ignore[no-untyped-def]
        whole = len(y) // size * size

        def epoch(state, order):  # type: ignore[no-untyped-def]
            x_, y_ = x[order], y[order]
            batches = x_[:whole].reshape(-1, size, x.shape[1]), y_[:whole].reshape(-1, size)
            state, _ = jax.lax.scan(step, state, batches)
            return step(state, (x_[whole:], y_[whole:])) if whole < len(y) else (state, None)  # type: ignore[no-untyped-call]

        (layers, _, _), _ = jax.lax.scan(epoch, (layers, optimizer.init(layers), key), orders)
        return layers

    @jax.jit
    def count(layers, x, y):  # type: ignore[no-untyped-def]
        return (forward(layers, x).argmax(axis=1) == y).sum()

    shards = [(jnp.asarray(x), jnp.asarray(y)) for x, y in arrays.shards]
    test = jnp.asarray(arrays.test[0]), jnp.asarray(arrays.test[1])

    def train_client(layers, client: int):  # type: ignore[no-untyped-def]
        nonlocal key
        key, used = jax.random.split(key)
        x, y = shards[client]
        orders = np.stack([generator.permutation(len(y)) for _ in range(arrays.epochs)]).astype(np.int32)
        return train(layers, x, y, orders, used)

    return Trainer(train_client, lambda layers, part: int(count(layers, *(values[part] for values in test))))


if __name__ == "__main__":
    play(Path(sys.argv[1]), make_trainer)
