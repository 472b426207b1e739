"""Plays rounds of FedJAX's federated averaging (https://fedjax.readthedocs.io) one at a time: see `stepping`.

``fedjax_rounds.py TASK`` is what its documentation shows for several devices: `federated_averaging` on the ``pmap``
backend, with the cores of the machine as devices. ``fedjax_rounds.py TASK split`` has two processes of one thread each,
with the clients split by hand, and trains them by the same `create_train_for_each_client`.

FedJAX joins the epochs of a round before it cuts them into batches, and fills the last one: of a census shard it takes
302 batches of 50, where others take 300 and 5 of 16. It was written for JAX before 0.6, and its
``pmap`` backend for arrays without the axis of the device, which 0.4.38 still has as an option.
"""

import os
import sys
from pathlib import Path
from typing import Any

from arrays import Arrays, load
from halves import Trainer, play
from stepwise import answers

TEST_BATCH = 500


def make_model(arrays: Arrays) -> Any:
    """The network as a model of FedJAX's."""
    import fedjax
    from jax_network import forward, losses

    return fedjax.Model(
        init=lambda _: arrays.layers,
        apply_for_train=lambda layers, batch, key: forward(layers, batch["x"], arrays.drop, key),
        apply_for_eval=lambda layers, batch: forward(layers, batch["x"]),
        train_loss=lambda batch, logits: losses(logits, batch["y"]),
        eval_metrics={"accuracy": fedjax.metrics.Accuracy()},
    )


def batching(arrays: Arrays) -> Any:
    """How clients draw their batches."""
    import fedjax

    return fedjax.ShuffleRepeatBatchHParams(batch_size=arrays.batch_size, num_epochs=arrays.epochs)


def play_whole(path: Path) -> None:
    """Play as many rounds as are asked for, in this process."""
    asked, answer = answers()
    import fedjax
    import jax
    from fedjax.algorithms import fed_avg

    arrays = load(path)
    model = make_model(arrays)
    algorithm = fed_avg.federated_averaging(
        fedjax.model_grad(model),
        fedjax.optimizers.adam(arrays.learning_rate),
        fedjax.optimizers.sgd(1.0),
        batching(arrays),
    )
    data = fedjax.InMemoryFederatedData({number: {"x": x, "y": y} for number, (x, y) in enumerate(arrays.shards)})
    sampler = fedjax.client_samplers.UniformGetClientSampler(data, arrays.cohort_size, seed=0)
    test = fedjax.ClientDataset({"x": arrays.test[0], "y": arrays.test[1]})
    state = algorithm.init(jax.tree_util.tree_map(jax.numpy.asarray, arrays.layers))
    while asked():
        state, _ = algorithm.apply(state, sampler.sample())
        answer(float(fedjax.evaluate_model(model, state.params, test.padded_batch(batch_size=TEST_BATCH))["accuracy"]))


def make_trainer(arrays: Arrays, seed: int) -> Trainer:
    """What trains and evaluates in one process of two."""
    import fedjax
    import jax
    from fedjax.algorithms import fed_avg

    model = make_model(arrays)
    run = fed_avg.create_train_for_each_client(fedjax.model_grad(model), fedjax.optimizers.adam(arrays.learning_rate))
    shards = [fedjax.ClientDataset({"x": x, "y": y}) for x, y in arrays.shards]
    test, key = fedjax.ClientDataset({"x": arrays.test[0], "y": arrays.test[1]}), jax.random.PRNGKey(seed)

    def train(layers: Any, client: int) -> Any:
        nonlocal key
        key, used = jax.random.split(key)
        [(_, change)] = run(layers, [(client, shards[client].shuffle_repeat_batch(batching(arrays)), used)])
        return jax.tree_util.tree_map(lambda weight, less: weight - less, layers, change)

    def count_right(layers: Any, part: slice) -> int:
        batches = test[part].padded_batch(batch_size=TEST_BATCH)
        return round(float(fedjax.evaluate_model(model, layers, batches)["accuracy"]) * len(test[part]))

    return Trainer(train, count_right)


if __name__ == "__main__":
    os.environ["JAX_PLATFORMS"] = "cpu"
    if sys.argv[2:] == ["split"]:
        play(Path(sys.argv[1]), make_trainer)
    else:
        play_whole(Path(sys.argv[1]))
