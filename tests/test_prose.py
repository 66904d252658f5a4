"""Docstrings stand alone and are of one mood, and names are the field's.

Both hold for the whole product, names for the tests as well.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function

ROOT = Path(__file__).parents[1]
CHECKED: Final = ["wallarm_notify", "tasks", "celeryconfig.py", "benchmarks", "pictures"]
CHECKED_TESTS: Final = ["tests"]

MOST_WORDS: Final = 19
STANDS_NOT_ALONE: Final = re.compile(r"(?:likewise|the same|those|nor)\b", re.IGNORECASE)
IMPERATIVE: Final = re.compile(r"[A-Z][a-z]+\b(?<!s)(?<!ing)")
"""A verb as in "Return": no "Returns", no "Returning"."""
NO_VERB: Final = re.compile(
    "An?|About|After|All|And|Another|Any|At|Before|By|Each|Every|For|From|How|If|In|It|No|None|Of|On|One|Only|Or|So|"
    "That|The|Then|There|They|To|What|When|Where|Whether|Which|Who|Why|With|Without"
)

OLD_WORDS: Final = re.compile(
    r"bell|books|borrowed|cargo|carrier|clerk|company|convoy|courier|crew|departures|desk|doorbell|ear|errands?|"
    r"flying|gathering|judge[ds]?|judgement|knobs?|landed|lanes?|oddit(?:y|ies)|pace|pacing|papers|parked|promised|"
    r"riders|rings?|said|stage|suspects?|tells?|told|trips?|turns|verdicts?|welcome"
)
"""The former names of ``docs/glossary.md``, and other words that the field does not use."""

FROZEN: Final = {
    ("wallarm_notify/domain/integration.py", "told"),
    ("wallarm_notify/schemas/documents/integrations.py", "told"),
}
"""A key of the documents of disabling and deleting (tests/entrypoints/golden_documents), and the field behind it."""


def modules(*places: str) -> list[Path]:
    """Return the modules in ``places``, but no migrations: applied ones are never edited."""
    paths = [ROOT / place for place in places]
    return sorted(
        {
            p
            for place in paths
            for p in ([place] if place.is_file() else place.rglob("*.py"))
            if p.parent.name != "versions"
        }
    )


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def public(node: Documented, name: str = "") -> Iterator[tuple[str, Documented]]:
    """Yield the module, its public classes and functions, and their public methods."""
    yield name, node
    if isinstance(node, ast.Module | ast.ClassDef):
        for child in node.body:
            if isinstance(child, ast.ClassDef | Function) and not child.name.startswith("_"):
                yield from public(child, f"{name}.{child.name}" if name else child.name)


def is_attribute(node: Function) -> bool:
    """Return whether it is a property, whose docstring names what it is."""
    words = {ast.unparse(one).rpartition(".")[2] for one in node.decorator_list}
    return not words.isdisjoint({"property", "cached_property"})


def faults(source: str) -> list[str]:
    """Return what is wrong with the public docstrings of a module."""
    return [
        f"{name}: {fault}" for name, node in public(ast.parse(source)) for fault in faults_of(node)
    ]


def faults_of(node: Documented) -> Iterator[str]:
    docstring = ast.get_docstring(node)
    if not docstring:
        yield "has no docstring"
        return
    sentence = re.split(r"(?<=[.!?])\s", " ".join(docstring.split()), maxsplit=1)[0]
    if len(sentence.split()) > MOST_WORDS:
        yield f"more than {MOST_WORDS} words: {sentence}"
    if STANDS_NOT_ALONE.match(sentence):
        yield f"does not stand alone: {sentence}"
    first = sentence.split()[0].rstrip(",")
    is_verb = IMPERATIVE.fullmatch(first) and not NO_VERB.fullmatch(first)
    if isinstance(node, Function) and not is_attribute(node) and not is_verb:
        yield f"begins with no verb as in «Return»: {sentence}"


def words_of(identifier: str) -> list[str]:
    """Return the words of a name in snake case, capitals or camel case, in small letters."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)
    return [part.lower() for part in parts]


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Yield every name that the code gives: of modules' parts, arguments and variables."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                yield name
            case ast.arg(name) | ast.Name(name, ast.Store()) | ast.Attribute(_, name, ast.Store()):
                yield name


def old_names(source: str) -> list[str]:
    names = sorted(set(identifiers(ast.parse(source))))
    return [name for name in names if any(map(OLD_WORDS.fullmatch, words_of(name)))]


@pytest.mark.parametrize("path", modules(*CHECKED), ids=relative)
def test_each_public_docstring_stands_alone_in_one_mood(path: Path) -> None:
    assert faults(path.read_text()) == []


@pytest.mark.parametrize("path", modules(*CHECKED, *CHECKED_TESTS), ids=relative)
def test_no_name_is_one_of_the_old_words(path: Path) -> None:
    names = old_names(path.read_text())
    assert [name for name in names if (relative(path), name) not in FROZEN] == []


@pytest.mark.parametrize(
    ("docstring", "fault"),
    [
        ("Return the key.", None),
        ("Return, for each of them, the key.", None),
        ("The key.", "begins with no verb"),
        ("Whether there is a key.", "begins with no verb"),
        ("Returns the key.", "begins with no verb"),
        ("``key`` without blanks.", "begins with no verb"),
        ("The same as above.", "does not stand alone"),
        ("Likewise.", "does not stand alone"),
        ("Return" + " a" * 18 + ".", None),
        ("Return" + " a" * 19 + ".", "more than 19 words"),
        ("", "has no docstring"),
    ],
)
def test_a_docstring_that_breaks_a_rule_is_found(docstring: str, fault: str | None) -> None:
    found = faults(f'"""Keys."""\ndef key():\n    """{docstring}"""\n')
    assert any(fault in one for one in found) if fault else found == []


def test_methods_are_checked_and_private_things_are_not() -> None:
    source = '"""M."""\nclass A:\n    """A."""\n    def b(self): ...\n    def _c(self): ...\nclass _D: ...\n'
    assert faults(source) == ["A.b: has no docstring"]
    assert (
        faults(
            '"""M."""\nclass A:\n    """A."""\n    @property\n    def b(self):\n        """The b."""\n'
        )
        == []
    )


@pytest.mark.parametrize(
    "name", ["told", "is_told", "Courier", "aTrip", "TURNS_LEFT", "test_a_lane_is_free"]
)
def test_an_old_word_is_found_as_a_part_of_any_name(name: str) -> None:
    source = f"def f(x_{name}): y = 1\nclass {name}: ...\n"
    assert old_names(source) == sorted([f"x_{name}", name])


@pytest.mark.parametrize("name", ["string", "firing", "stripped", "returns", "wiring", "storage"])
def test_a_word_that_only_contains_an_old_one_is_none(name: str) -> None:
    assert old_names(f"{name} = 1") == []
