"""What MkDocs calls while it builds the site: it adds the generated pages, and the parts of the navigation with them.

Nothing generated is written into the repository. Links that leave the documentation's folder lead nowhere on the site,
and become plain words there.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from docs_cards import card_pages
from docs_commands import commands_page
from docs_flower import names_page, strategies_page
from docs_home import REPORT, make_report
from docs_loads import loads_of
from docs_markdown import fence
from docs_notebooks import notebook_page
from docs_options import KINDS, experiment_page, kind_page
from docs_python import python_page
from docs_zoo import zoo_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LINK = re.compile(r"(?<!!)\[(?P<words>[^\]]+)\]\((?P<target>[^)\s#:]+)\)")


def generated(docs: Path) -> dict[str, str]:
    """Generate every page that is generated: its text by its place below the documentation's folder."""
    pages = {f"reference/{page}.md": kind_page(kind) for kind, (page, _, _) in KINDS.items()}
    pages |= {"reference/experiment.md": experiment_page(), "reference/cli.md": commands_page()}
    pages |= {"reference/python.md": python_page(), "reproduction/grids/index.md": _grids_page(docs)}
    pages |= {"flower/strategies.md": strategies_page(), "reference/flower.md": names_page()}
    pages |= {f"presets/{name}.md": iter(lines) for name, lines in card_pages(docs).items()}
    pages |= {f"zoo/{name}.md": lines for name, lines in zoo_pages(docs).items()}
    pages |= {f"tutorials/{path.stem}.md": notebook_page(path) for path in (docs / "tutorials").glob("*.ipynb")}
    return {name: "\n".join(lines) for name, lines in pages.items()}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the navigation: an entry ``generated`` stands for the pages that are there."""
    docs = Path(config.docs_dir)
    cards = [f"presets/{name}.md" for name in card_pages(docs)]
    reproduction = sorted((docs / "reproduction").glob("*.md"), key=lambda path: path.name != "README.md")
    reproduction += sorted((docs / "reproduction").glob("*/README.md"))  # of other scales
    found = {"Presets": cards, "Reproduction": [path.relative_to(docs).as_posix() for path in reproduction]}
    found["Reproduction"].append("reproduction/grids/index.md")
    found["Zoo"] = [f"zoo/{name}.md" for name in zoo_pages(docs)]
    config.nav = [
        {title: found[title]} if pages == "generated" else {title: pages}
        for entry in config.nav or []
        for title, pages in entry.items()
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and the report that the home page links to."""
    for name, text in generated(Path(config.docs_dir)).items():
        files.append(File.generated(config, name, content=text))
    page = (Path(config.docs_dir) / "index.md").read_text("utf-8")
    files.append(File.generated(config, REPORT, content=make_report(page)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to folders lead to their index, those to notebooks to their pages; take away those out of the site."""
    here = PurePosixPath(page.file.src_uri).parent
    own = PurePosixPath(page.file.src_uri).with_suffix(".ipynb")

    def replaced(link: re.Match[str]) -> str:
        target = link["target"].rstrip("/")
        beside = Path(config.docs_dir) / here / target
        if files.get_file_from_path(str(here / target / "index.md")):
            return f"[{link['words']}]({target}/index.md)"
        if target.endswith(".ipynb") and here / target != own:
            return f"[{link['words']}]({target.removesuffix('.ipynb')}.md)"
        outside = beside.exists() and not beside.resolve().is_relative_to(Path(config.docs_dir).resolve())
        return link["words"] if outside or beside.is_dir() else link[0]

    return LINK.sub(replaced, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that asks other machines for something when it is looked at.

    Raises:
        PluginError: a page or style sheet loads from elsewhere.
    """
    if found := loads_of(Path(config.site_dir), without={REPORT}):
        raise PluginError("the site would load from elsewhere:\n" + "\n".join(found))


def _grids_page(docs: Path) -> Iterator[str]:
    """Yield the sweeps behind the explanations of what does not hold."""
    yield "# Grids"
    yield ""
    yield "The sweeps discussed on the other pages; `fedlens sweep FILE` runs one."
    yield ""
    for path in sorted((docs / "reproduction" / "grids").glob("*.yaml")):
        yield f"## {path.name}"
        yield ""
        yield from fence("yaml", path.read_text("utf-8"))
