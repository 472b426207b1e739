"""What every defence needs and every attack sees, read off the components themselves."""

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from docs_markdown import code, table

from fedlens.attacks.attack import Attack
from fedlens.core.layout import Layout
from fedlens.core.registry import BUILT_IN, Description, resolve
from fedlens.core.suggest import example
from fedlens.defences.chain import Chain
from fedlens.defences.links import build_link


def defence_needs() -> Iterator[str]:
    """Yield a table of the rules, stages and whole methods."""
    head = ("name", "must be told", "updates at least", "other needs", "single updates")
    yield from table(head, (_defence(kind, name) for kind in ("aggregation", "stage") for name in BUILT_IN[kind]))


def _defence(kind: str, name: str) -> Sequence[str]:
    required, chain = _built(kind, name)
    return [
        f"[`{name}`]({name}.md)",
        code(required),
        f"{chain.minimum}" + (" with `f: 1`" if "f" in required else ""),
        ", ".join(_other_needs(chain)),
        "yes" if _single(chain) else "",
    ]


def _built(kind: str, name: str) -> tuple[Sequence[str], Chain]:
    """Return the options without default, and a chain of the component with an example of each."""
    fields = resolve(kind, name).model_fields
    required = [option for option, field in fields.items() if field.is_required()]
    given = {option: 1 if option == "f" else example(fields[option]) for option in required}
    return required, Chain.of(build_link({"name": name, **given}, Description()))


def _other_needs(chain: Chain) -> list[str]:
    needs = {
        "root samples": any(stage.needs_root for stage in chain.whole),
        "the model": any(stage.needs_model for stage in chain.whole),
        "who sent what, in every round": any(stage.by_client for stage in chain.whole),
    }
    return [words for words, needed in needs.items() if needed]


def _single(chain: Chain) -> bool:
    return any(stage.sees != "sum" for stage in chain.whole)


def facts(kind: str, name: str) -> Iterator[str]:
    """Yield what a component sees, needs and keeps, as a list."""
    told = _attack_facts(name) if kind == "attack" else _defence_facts(kind, name)
    yield from (f"- {what}: {words or 'nothing'}" for what, words in told.items())


def _attack_facts(name: str) -> Mapping[str, str]:
    attack: Any = resolve("attack", name)
    aim = "samples to be misclassified" if attack.aims else "any, plain damage as well"
    if attack.least_parts:
        aim = f"a backdoor whose trigger has at least {attack.least_parts} part{'s' * (attack.least_parts > 1)}"
    kept = {
        f"its last {attack.remembers} round{'s' * (attack.remembers > 1)}": attack.remembers > 0,
        "rounds of its own, by an option": "memory" in vars(attack),
        "the team's own state": "team.state" in inspect.getsource(sys.modules[attack.__module__]),
        "a round with `estimate`": attack.collude is Attack.collude,
    }
    return {
        "sees of others' honest updates": _sight(attack),
        "knows of the server": "its rule, as `attackers.rule` says" if attack.needs_rule is True else "",
        "goal": aim,
        "attackers at least": "1",
        "must be told": code(_required(attack)),
        "keeps from round to round": ", ".join(words for words, so in kept.items() if so),
    }


def _defence_facts(kind: str, name: str) -> Mapping[str, str]:
    defence: Any = resolve(kind, name)
    if getattr(defence, "validates", False):
        return {
            "sees": "single updates",
            "updates at least": "1",
            "must be told": code(_required(defence)),
            "other needs": "validation samples",
            "keeps from round to round": "",
        }
    required, chain = _built(kind, name)
    layout = Layout.of(torch.nn.Linear(1, 1))
    kept = [f"`{tensor}`" for stage in chain.whole for tensor in stage.init(layout).tensors]
    kept += ["what clients sent" for stage in chain.whole if stage.by_client]
    return {
        "sees": "single updates" if _single(chain) else "the sum of the updates alone",
        "updates at least": f"{chain.minimum}" + (" with `f: 1`" if "f" in required else ""),
        "must be told": code(required),
        "other needs": ", ".join(_other_needs(chain)),
        "keeps from round to round": ", ".join(kept),
    }


def _required(component: Any) -> Sequence[str]:
    return [option for option, field in component.model_fields.items() if field.is_required()]


def _sight(attack: Any) -> str:
    words = {"own": "nothing", "team": "its team's", "all": "all"}
    return "by an option" if isinstance(attack.sight, property) else words[attack.sight]


def attack_needs() -> Iterator[str]:
    """Yield a table of the attacks."""
    rows = []
    for name in BUILT_IN["attack"]:
        attack: Any = resolve("attack", name)
        rule = "yes" if attack.needs_rule is True else ""
        rows.append([f"[`{name}`]({name}.md)", _sight(attack), rule, code(_required(attack))])
    yield from table(("name", "honest updates that it sees", "knows the rule", "options without default"), rows)
