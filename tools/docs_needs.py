"""What every defence needs and every attack sees, read off the components themselves."""

from collections.abc import Iterator, Sequence
from typing import Any

from docs_markdown import code, table

from fedlens.core.registry import BUILT_IN, Description, resolve
from fedlens.core.suggest import example
from fedlens.defences.chain import Chain
from fedlens.defences.links import build_link


def defence_needs() -> Iterator[str]:
    """Yield a table of the rules, stages and whole methods."""
    head = ("name", "must be told", "updates at least", "other needs", "single updates")
    yield from table(head, (_defence(kind, name) for kind in ("aggregation", "stage") for name in BUILT_IN[kind]))


def _defence(kind: str, name: str) -> Sequence[str]:
    fields = resolve(kind, name).model_fields
    required = [option for option, field in fields.items() if field.is_required()]
    given = {option: 1 if option == "f" else example(fields[option]) for option in required}
    chain = Chain.of(build_link({"name": name, **given}, Description()))
    needs = {
        "root samples": any(stage.needs_root for stage in chain.whole),
        "the model": any(stage.needs_model for stage in chain.whole),
        "who sent what, in every round": any(stage.by_client for stage in chain.whole),
    }
    return [
        f"[`{name}`]({name}.md)",
        code(required),
        f"{chain.minimum}" + (" with `f: 1`" if "f" in given else ""),
        ", ".join(words for words, needed in needs.items() if needed),
        "" if all(stage.sees == "sum" for stage in chain.whole) else "yes",
    ]


def attack_needs() -> Iterator[str]:
    """Yield a table of the attacks."""
    words = {"own": "nothing", "team": "its team's", "all": "all"}
    rows = []
    for name in BUILT_IN["attack"]:
        attack: Any = resolve("attack", name)
        required = {field: info for field, info in attack.model_fields.items() if info.is_required()}
        sight = "by an option" if isinstance(attack.sight, property) else words[attack.sight]
        rule = "yes" if attack.needs_rule is True else ""
        rows.append([f"[`{name}`]({name}.md)", sight, rule, code(required)])
    yield from table(("name", "honest updates that it sees", "knows the rule", "options without default"), rows)
