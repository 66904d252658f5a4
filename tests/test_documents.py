"""What is written for people is true: what it cites and links to exists, commands and settings are the program's."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from typing import TYPE_CHECKING, Final

import click
import pytest
from documents import (
    DECISIONS,
    DOCS,
    DOCUMENTS,
    ROOT,
    anchors,
    code,
    commands,
    files_of_the_project,
    headings,
    links,
    name_of,
    read,
    rows,
)

from wallarm_notify.entrypoints.cli import cli
from wallarm_notify.settings import PREFIX, RENAMED, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.mark.structures import ParameterSet

README: Final = ROOT / "README.md"
INDEX: Final = DOCS / "index.md"
ARCHITECTURE: Final = DOCS / "architecture.md"
OF_TODAY: Final = [document for document in DOCUMENTS if document.name != "CHANGELOG.md"]
"""The changelog names what there was once."""

_NUMBERS: Final = r"\d+(?:(?:, | and )\d+)*"

CITATION: Final = re.compile(rf"\b([Ss]pec|[Ee]ngine) ({_NUMBERS})")
"""``spec 5``, ``engine 5 and 12``: the form in comments and documents."""

LINKED: Final = re.compile(rf"\[(spec|engine)\.md\]\([^)]*\), (?:section|rule)s? ({_NUMBERS})")
"""``[spec.md](spec.md), section 5``: the form where a document links."""

OTHER_FORM: Final = re.compile(
    r"\b(?:spec|specification|engine)(?:\.md)?[ .,:#(-]{0,2}(?:sections?|rules?|points?|no\.|§)?[ .,:#(-]{0,2}\d"
    r"|\b(?:section|rule)s? \d+ of (?:the |\[)?(?:spec|engine)",
    re.IGNORECASE,
)
"""Whatever else somebody may write who means a section or a rule."""

PATH: Final = re.compile(r"[\w.-]+(/[\w.-]+)*(/|\.(py|md|toml|sql|yml|txt))")
"""A file's path, or a folder's with a slash at its end."""

PLACE: Final = re.compile(r"`([\w/]+\.py): ([\w.]+)`")
"""``services/ingest.py: ingest``: a file, and a function or a class in it."""


def each(documents: list[Path]) -> list[ParameterSet]:
    return [pytest.param(one, id=name_of(one)) for one in documents]


def sections() -> dict[str, set[int]]:
    """The numbers that may be cited of each page."""
    found = {
        "spec": re.findall(r"^## (\d+)\. ", read(DOCS / "spec.md"), re.MULTILINE),
        "engine": re.findall(r"^### (\d+)\. ", read(DOCS / "engine.md"), re.MULTILINE),
    }
    return {page: set(map(int, numbers)) for page, numbers in found.items()}


def cited(text: str) -> list[tuple[str, int]]:
    return [
        (page.lower(), int(number))
        for form in (CITATION, LINKED)
        for page, numbers in form.findall(text)
        for number in re.findall(r"\d+", numbers)
    ]


# Citations.


def test_the_sections_of_the_spec_are_numbered_0_to_9_and_the_rules_of_the_engine_1_to_26() -> None:
    assert sections() == {"spec": set(range(10)), "engine": set(range(1, 27))}


def test_every_cited_section_exists() -> None:
    there = sections()
    wrong = [
        f"{path}: {page} {number}"
        for path in files_of_the_project()
        for page, number in cited((ROOT / path).read_text("utf-8"))
        if number not in there[page]
    ]
    assert not wrong


def test_every_section_that_is_cited_is_cited_in_one_form() -> None:
    wrong = []
    for path in files_of_the_project():
        if path == "tests/test_documents.py":
            continue
        text = re.sub(r"\]\([^)]*\)", "]", (ROOT / path).read_text("utf-8"))
        right = {m.start() for m in CITATION.finditer(text)}
        wrong += [f"{path}: {m[0]}" for m in OTHER_FORM.finditer(text) if m.start() not in right]
    assert not wrong


# Links and paths.


@pytest.mark.parametrize("document", each(DOCUMENTS))
def test_every_link_leads_to_a_file_and_a_heading_that_exist(document: Path) -> None:
    broken = []
    for link in links(read(document)):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(read(target))):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("document", each(OF_TODAY))
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    # Paths are told from the top, from the package, or from where the document is.
    tops = [ROOT, ROOT / "wallarm_notify", document.parent]
    folders = {entry.name for top in tops for entry in top.iterdir() if entry.is_dir()}
    made = set((ROOT / ".gitignore").read_text("utf-8").splitlines())
    missing = [
        one
        for one in code(read(document))
        if (PATH.fullmatch(one) or ("/" in one and one.partition("/")[0] in folders))
        and " " not in one
        and one not in made
        and not any((top / one).exists() for top in tops)
    ]
    assert not missing


def test_every_document_that_anything_names_exists() -> None:
    missing = [
        f"{path}: {named}"
        for path in files_of_the_project()
        for named in re.findall(r"\bdocs/[\w/.-]*\w", (ROOT / path).read_text("utf-8"))
        # A decision may be named by its number alone.
        if not (ROOT / named).exists() and len(list(ROOT.glob(f"{named}-*.md"))) != 1
    ]
    assert not missing


def test_the_index_lists_every_document_and_the_readme_leads_to_it() -> None:
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in links(read(INDEX))}
    assert {INDEX, *DOCS.glob("*.md"), *ROOT.glob("*.md")} == {INDEX} | {
        one for one in listed if one.parent in (DOCS, ROOT)
    }
    assert DECISIONS / "README.md" in listed
    assert "docs/index.md" in links(read(README))


# The version.


def test_changelog_and_readme_name_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    changelog = read(ROOT / "CHANGELOG.md")
    newest = re.search(r"^## \[([\d.]+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert newest
    assert newest[1] == project["version"]
    assert f"version {project['version']};" in read(README)


# The way of an event.


def test_the_way_of_an_event_has_ten_steps_and_each_names_a_function() -> None:
    _, _, way = read(ARCHITECTURE).partition("\n## The way of one event, in ten steps\n")
    steps = re.split(r"^\d+\. ", way.partition("\n\nWhat no message")[0], flags=re.MULTILINE)[1:]
    assert [bool(PLACE.search(step)) for step in steps] == [True] * 10


def test_every_function_that_the_way_of_an_event_names_exists() -> None:
    places = PLACE.findall(read(ARCHITECTURE))
    assert len(places) > 20
    missing = [f"{path}: {name}" for path, name in places if name not in names_in(path)]
    assert not missing


def names_in(path: str) -> set[str]:
    """The functions, classes and methods of a module, which is named from the top or from the package."""
    (file,) = (f for f in (ROOT / path, ROOT / "wallarm_notify" / path) if f.exists())
    found: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{m.name}" for m in node.body if isinstance(m, ast.FunctionDef)}
    return found


# Commands and settings.


@pytest.mark.parametrize("document", each(OF_TODAY))
def test_every_target_of_make_that_a_document_names_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        match[1]
        for line in commands(read(document))
        if (match := re.match(r"\s*make ([a-z][a-z-]*)", line))
    }
    assert named <= targets


@pytest.mark.parametrize("document", each(DOCUMENTS))
def test_every_command_that_a_document_names_exists(document: Path) -> None:
    unknown = [
        line
        for line in commands(read(document))
        if line.lstrip().startswith("wallarm-notify ") and not is_command(line)
    ]
    assert not unknown


def is_command(line: str) -> bool:
    """Whether a line is a command of ours with options that it has."""
    command: click.Command = cli
    known = {"--help"}
    for word in shlex.split(line.partition("#")[0].rstrip("\\ "))[1:]:
        if isinstance(command, click.Group) and not word.startswith("-"):
            if word not in command.commands:
                return False
            command = command.commands[word]
            known = {"--help"} | {
                opt for p in command.params for opt in (*p.opts, *p.secondary_opts)
            }
        elif word.startswith("--") and word not in known:
            # Flower takes options of its own.
            return bool(command.context_settings.get("ignore_unknown_options"))
    return True


@pytest.mark.parametrize("document", each(DOCUMENTS))
def test_every_variable_of_ours_that_a_document_names_is_a_setting(document: Path) -> None:
    named = set(re.findall(rf"\b{PREFIX}([A-Z][A-Z_]*[A-Z])\b(?![*_])", read(document)))
    assert named <= {name.upper() for name in Settings.model_fields} | RENAMED.keys()


# Decisions.

PARTS: Final = headings(read(DECISIONS / "template.md"))[1:]
PAGES: Final = sorted(DECISIONS.glob("[0-9]*.md"))


@pytest.mark.parametrize("page", each(PAGES))
def test_a_decision_has_every_part_of_the_template_in_its_order(page: Path) -> None:
    text = read(page)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS
    empty = [part for part in PARTS if re.search(rf"^## {part}\n+(## |\Z)", text, re.MULTILINE)]
    assert not empty


@pytest.mark.parametrize("page", each(PAGES))
def test_the_index_of_decisions_has_each_with_its_title_and_status(page: Path) -> None:
    title = headings(read(page))[0]
    assert title.startswith(f"{int(page.name[:4])}. ")
    (status,) = re.findall(
        r"^\*\*Status\.\*\* (Proposed|Accepted|Superseded by \[\d+\]\(\d{4}-[\w-]+\.md\))\.",
        read(page),
        re.MULTILINE,
    )
    (row,) = (r for r in rows(read(DECISIONS / "README.md")) if f"]({page.name})" in r[0])
    assert row == [f"[{title}]({page.name})", status.partition(" ")[0].lower()]


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))


# The glossary.


def test_a_word_has_one_line_in_the_glossary_and_each_new_name_has_one() -> None:
    words, _, old_names = read(DOCS / "glossary.md").partition("\n## Old names\n")
    entries = [row[0].replace("`", "") for row in rows(words) if row[0] != "word"]
    assert len(set(entries)) == len(entries)
    missing = [
        name
        for row in rows(old_names)[1:]
        for name in re.sub(r"[`]|\(.*?\)", "", row[1]).split(", ")
        if not any(name.strip().rstrip("s") in entry for entry in entries)
    ]
    assert not missing
