"""Federated averaging split by hand over two processes of one thread each, for contenders in JAX.

Each process trains the clients at every other place of the cohort and returns the weighted sum of their networks; then
each counts the right answers in half of the test set.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from arrays import Arrays, Layers, load
from stepwise import answers

PROCESSES = 2

ONE_THREAD = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "PJRT_NPROC": "1", "OMP_NUM_THREADS": "1"}


class Trainer(NamedTuple):
    """What one process does.

    Attributes:
        train: a client's round, from the global network and the client's number to its network.
        count_right: how many test samples in a range the network predicts right.
    """

    train: Callable[[Layers, int], Layers]
    count_right: Callable[[Layers, slice], int]


Make = Callable[[Arrays, int], Trainer]
"""Makes the trainer of a process from the task and a seed."""


class Here:
    """What a process keeps from round to round."""

    arrays: Arrays
    trainer: Trainer


def begin(make: Make, path: Path, seed: int) -> None:
    """Get ready in a new process, before JAX is imported."""
    os.environ.update(ONE_THREAD)
    Here.arrays = load(path)
    Here.trainer = make(Here.arrays, seed)


def train(layers: Layers, clients: Sequence[int]) -> Layers:
    """The sum of these clients' networks, weighted by their samples."""
    total = [(np.zeros_like(weight), np.zeros_like(bias)) for weight, bias in layers]
    for client in clients:
        size = len(Here.arrays.shards[client][1])
        for sums, trained in zip(total, Here.trainer.train(layers, client), strict=True):
            for values, more in zip(sums, trained, strict=True):
                np.add(values, size * np.asarray(more), out=values)
    return total


def count_right(layers: Layers, part: slice) -> int:
    """How many test samples of a part are predicted right."""
    return Here.trainer.count_right(layers, part)


def average(totals: Sequence[Layers], samples: int) -> Layers:
    """The mean network, from the weighted sums of all processes."""
    return [
        (sum(weight for weight, _ in layer) / samples, sum(bias for _, bias in layer) / samples)
        for layer in zip(*totals, strict=True)
    ]


def play(path: Path, make: Make) -> None:
    """Play as many rounds as are asked for."""
    asked, answer = answers()
    arrays, generator = load(path), np.random.default_rng(0)
    layers, count = arrays.layers, len(arrays.test[1])
    parts = [slice(count * part // PROCESSES, count * (part + 1) // PROCESSES) for part in range(PROCESSES)]
    processes = [
        ProcessPoolExecutor(1, get_context("spawn"), begin, (make, path, number)) for number in range(PROCESSES)
    ]
    while asked():
        cohort = generator.permutation(len(arrays.shards))[: arrays.cohort_size].tolist()
        sums = [one.submit(train, layers, cohort[place::PROCESSES]) for place, one in enumerate(processes)]
        layers = average([done.result() for done in sums], sum(len(arrays.shards[client][1]) for client in cohort))
        rights = [one.submit(count_right, layers, part) for one, part in zip(processes, parts, strict=True)]
        answer(sum(right.result() for right in rights) / count)
    for one in processes:
        one.shutdown()
