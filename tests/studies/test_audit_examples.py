"""Every public class and function of the audit's statistics has an example, which runs."""

import doctest
import inspect
from importlib import import_module

import pytest

ROOM = "fedlens.studies.audit"


@pytest.mark.parametrize("name", ["cell", "e_processes", "evidence", "judgement", "verdict"])
def test_examples_print_what_they_show(name: str) -> None:
    module = import_module(f"{ROOM}.{name}")
    found = doctest.DocTestFinder(recurse=False)
    public = [
        thing
        for key, thing in vars(module).items()
        if not key.startswith("_") and getattr(thing, "__module__", "") == module.__name__ and inspect.getdoc(thing)
        if inspect.isfunction(thing) or inspect.isclass(thing)
    ]
    assert public
    for thing in public:
        [example] = found.find(thing, thing.__name__, globs={})
        assert example.examples, f"{thing.__name__} has no example"
        report: list[str] = []
        assert doctest.DocTestRunner().run(example, out=report.append).failed == 0, "".join(report)
