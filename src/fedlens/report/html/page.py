"""From directories to the file: which page it is, and how it is put together."""

from collections.abc import Sequence
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedlens.analysis.held_out import AUDIT
from fedlens.analysis.run_results import load_run
from fedlens.core.files import writing
from fedlens.core.private_paths import ELSEWHERE, near_path
from fedlens.report.flower_tested import RESULT
from fedlens.report.html.audit import audit_page
from fedlens.report.html.flower_tested import flower_tested_page
from fedlens.report.html.inspection import inspection_page
from fedlens.report.html.one import run_page
from fedlens.report.html.several import runs_page
from fedlens.report.html.swept import sweep_page
from fedlens.report.html.theme import ON_DARK, template
from fedlens.runs.inspected import HEAD

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""What a page may load: nothing that is not in it."""


def write_report(
    paths: Sequence[Path], output: Path, data_dir: Path | None = None, *, code: bool = False, samples: bool = True
) -> int:
    """Write the report of runs, of sweeps, of an audit, or of a Flower app that was tested, into the file `output`.

    Of paths, it shows what is beneath the working directory, or else the last name.

    Args:
        paths: directories of runs and of sweeps, or of one audit, inspection or test.
        output: the HTML file.
        data_dir: where data files are.
        code: whether modules that a run names are imported, for what needs its data or model.
        samples: whether inputs are shown, and what was made of them.

    Returns:
        The file's size in bytes.

    Raises:
        RunError: nothing is in one of the paths, its files are damaged, or `output` cannot be written.
    """
    paths = list(map(near_path, paths))
    page = described(paths, data_dir, code=code, samples=samples)
    content = _without_parents(rendered(page), paths).encode()
    with writing(output, "choose another file"):
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(content)
    return len(content)


def _without_parents(text: str, paths: Sequence[Path]) -> str:
    """Leave out of a page the folders that absolute paths lie in."""
    for folder in {str(path.parent) for path in paths if path.is_absolute() and path.parent != path.parent.parent}:
        for written in (escape(folder), str(embedded(folder))[1:-1]):
            text = text.replace(f"{written}/", ELSEWHERE)
    return text


def described(
    paths: Sequence[Path], data_dir: Path | None = None, *, code: bool = False, samples: bool = True
) -> dict[str, Any]:
    """Return the values that the page's template shows, and the name of that template.

    Raises:
        RunError: nothing is in one of the paths, or its files are damaged.
    """
    paths = list(dict.fromkeys(paths))
    if len(paths) == 1 and (paths[0] / AUDIT).is_file():
        return audit_page(paths[0], data_dir, code=code, samples=samples)
    if len(paths) == 1 and ((paths[0] / HEAD).is_file() or paths[0].suffix == ".jsonl"):
        return inspection_page(paths[0])
    if len(paths) == 1 and (paths[0] / RESULT).is_file():
        return flower_tested_page(paths[0])
    if not all((path / "experiment.yaml").is_file() for path in paths) and not _nothing(paths):
        return sweep_page(paths)
    runs = [load_run(path) for path in paths]
    if len(runs) > 1:
        return runs_page(runs)
    return run_page(runs[0].with_code(trust=True) if code else runs[0], data_dir, samples=samples)


def _nothing(paths: Sequence[Path]) -> bool:
    """Tell whether the only path is neither a run nor a sweep."""
    return len(paths) == 1 and not any((paths[0] / name).exists() for name in ("rounds.parquet", "sweep.yaml"))


def rendered(page: dict[str, Any], *, live: bool = False, library: bool = True) -> str:
    """Render the page as HTML, with all that it needs in it.

    Args:
        page: as `described`.
        live: whether it follows its runs, by a server's events.
        library: whether plotly.js is in it; not where the page that has it takes the rest of this one.
    """
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    templates = environment("fedlens.report.html")
    templates.globals |= {"live": live, "library": Markup(get_plotlyjs() if library else "")}
    templates.globals |= {} if live else {"policy": POLICY}
    charts = {chart.name: chart.embedded() for chart in page["charts"]}
    text = templates.get_template(page["template"]).render(
        page, embedded=embedded({"charts": charts, "template": template(), "dark": ON_DARK})
    )
    return text.encode(errors="replace").decode()  # a name of a file may have bytes that are no text


def environment(package: str) -> "Environment":
    """Make what renders the templates of `package`, which may extend ours; what follows a server may ask it."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    ours = files("fedlens.report.html") / "templates"
    names = ("style.css", "numbers.js", "draw.js", "follow.js")
    style, *scripts, follow = (Markup(_bare((ours / name).read_text("utf-8"))) for name in names)  # nothing to escape
    loader = ChoiceLoader([PackageLoader(package), PackageLoader("fedlens.report.html")])
    templates = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    policy = POLICY.replace("form-action 'none'", "form-action 'self'") + "; connect-src 'self'"
    templates.globals |= {"version": version("fedlens"), "style": style, "policy": policy}
    templates.globals |= {"scripts": scripts, "follow": follow}
    templates.filters["coded"] = coded
    return templates


def _bare(text: str) -> str:
    """Return a style or script without indentation and comments, which are of no use to a browser."""
    return "\n".join(line for line in map(str.strip, text.splitlines()) if not line.startswith("//"))


def coded(words: str) -> Any:
    """Return `words` as HTML in which text between two backticks is code."""
    from markupsafe import Markup

    parts = words.split("`")
    if len(parts) % 2 == 0:  # a backtick of its own
        return words
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def embedded(value: Any) -> Any:
    """Return `value` as JSON that may stand in a ``script`` element, which nothing in it can end."""
    from jinja2.utils import htmlsafe_json_dumps

    return htmlsafe_json_dumps(value, allow_nan=False, separators=(",", ":"))
