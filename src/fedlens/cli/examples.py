"""Examples of each command, for its help and the documentation."""

from typing import Any

from typer.core import TyperGroup

from fedlens.cli.command import Command

EXAMPLES = {
    "run": """
        fedlens run quickstart
        fedlens run quickstart -o attack.boost=2
        fedlens run quickstart -o aggregation=krum -o aggregation.f=1 -o attack.boost=2
        fedlens run --resume --out runs/quickstart
    """,
    "show": """
        fedlens show runs/quickstart
        fedlens show runs/quickstart-2
    """,
    "plot": """
        fedlens plot runs/quickstart
        fedlens plot runs/quickstart --kind checks
        fedlens plot runs/quickstart runs/quickstart-2 --output both.svg
    """,
    "explain": """
        fedlens explain runs/quickstart
        fedlens explain runs/quickstart --sample target --methods gradient,lrp-epsilon:epsilon=0.1
    """,
    "report": """
        fedlens report runs/quickstart --open
        fedlens report runs/quickstart runs/quickstart-2 --output both.html
        fedlens report sweeps/rules --output rules.html
    """,
    "watch": """
        fedlens watch --open
        fedlens watch sweeps/rules/cells --port 8000
    """,
    "sweep": """
        fedlens sweep rules.yaml
        fedlens sweep rules.yaml -o 'product.seed=[0,1,2]' --jobs 2
    """,
    "compare": """
        fedlens compare sweeps/rules --by aggregation
        fedlens compare sweeps/rules --by aggregation --metric accuracy --at best --output accuracy.png
        fedlens compare runs/quickstart runs/quickstart-2 --by attack.boost
    """,
    "audit": """
        fedlens audit quickstart -o aggregation=median --plan
        fedlens audit quickstart -o aggregation=krum -o aggregation.f=1 --effort quick
        fedlens audit mine.yaml -o 'aggregation={name: rules:Leaky}' --effort quick
    """,
    "conform": """
        fedlens conform rules:trimmed_mean --as trimmed-mean
        fedlens conform rules:krum --as krum --name f=num_byzantine
        fedlens conform rules:Gold --as foolsgold --all
    """,
    "inspect-updates": """
        fedlens inspect-updates updates
        fedlens inspect-updates updates --check distances --check '{name: statistics, false_alarms: 0.001}'
        fedlens report inspections/updates --output updates.html
    """,
    "reproduce": """
        fedlens reproduce fig7 C17
        fedlens reproduce fig4 --seeds 3 --targets 2
        fedlens reproduce --no-run
    """,
    "list": """
        fedlens list
        fedlens list krum
        fedlens list --search median
    """,
    "data": """
        fedlens data adult
        fedlens data quickstart
        fedlens data claims.csv -o data.label=paid -o 'data.drop=[id]'
    """,
    "partition": """
        fedlens partition quickstart
        fedlens partition quickstart -o partition=dirichlet -o clients=5
    """,
    "new": """
        fedlens new attack
        fedlens new rule my_rule.py
    """,
    "cache": """
        fedlens cache
        fedlens cache clear
    """,
    "clear": """
        fedlens cache clear
        fedlens cache clear controls
    """,
    "flower": """
        fedlens flower test my_app --model my_app.task:Net --targets mine:targets
        fedlens flower test my_app --model my_app.task:Net --targets mine:targets --nodes 5 --json
    """,
    "test": """
        fedlens flower test my_app --model my_app.task:Net --targets mine:targets --test mine:test --rounds 6
        fedlens flower test my_app --model my_app.task:Net --targets mine:targets --data mine:data --seeds 10
        fedlens flower test my_app --model my_app.task:Net --targets mine:targets --attack claim --defence own
    """,
    "node": """
        fedlens flower node --superlink 127.0.0.1:8000 --attack mine:evil -- --insecure
        fedlens flower node --superlink 127.0.0.1:8000 --attack mine:evil --app my_app -- --insecure --port 9095
    """,
}
"""Lines to type, by the command's name."""


def examples(name: str) -> list[str]:
    """Return the lines to type for a command."""
    return [line.strip() for line in EXAMPLES[name].strip().splitlines()]


class _WithExamples:
    """What ends its help with examples, a line each."""

    name: str | None

    def format_epilog(self, _: Any, formatter: Any) -> None:
        """Write the examples."""
        with formatter.section("Examples"):
            for line in examples(self.name or ""):
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class ExampledCommand(_WithExamples, Command):
    """A command whose help ends with examples."""


class ExampledGroup(_WithExamples, TyperGroup):
    """A group of commands whose help ends with examples."""
