"""Measure again all that docs/performance.md says; it takes some 30 minutes.

    python -m benchmarks [--only compare,latency] [--write docs/performance.md]

``--write`` puts the figures between the two marks in that page, and all of them as JSON beside it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import api, brokers, compare, console, growth, isolation, latency, parts, steady
from benchmarks.contenders import ALERTMANAGER, CONTENDERS
from benchmarks.stack import say
from wallarm_notify.domain.errors import NotifyError

BEGIN: Final = "<!-- figures: python -m benchmarks --write docs/performance.md -->"
END: Final = "<!-- end of figures -->"


@dataclass(frozen=True)
class Program:
    """One of the measurements: its heading, what measures, and what makes a table of it."""

    heading: str
    measure: Callable[[], dict[str, Any]]
    table: Callable[[Mapping[str, Any]], list[str]]


def _compared() -> dict[str, Any]:
    names = [name for name in CONTENDERS if name != "d" or ALERTMANAGER.exists()]
    return compare.measured(names, 6000, 3)


def _grown() -> dict[str, Any]:
    size = growth.Size(events=6000, rounds=3, stored=1_000_000, old=60_000)
    return growth.result_of(size, list(growth.PARTS))


PROGRAMS: Final[dict[str, Program]] = {
    "compare": Program("Side by side", _compared, compare.table),
    "latency": Program("Latency", lambda: latency.measured(100.0, 20.0, 3), latency.table),
    "steady": Program("A steady load", lambda: steady.measured(500.0, 5, 0.15, 30.0), steady.table),
    "growth": Program("Growth", _grown, growth.table),
    "isolation": Program(
        "Isolation", lambda: isolation.measured(50.0, 10.0, 30.0, 3), isolation.table
    ),
    "brokers": Program(
        "Brokers", lambda: brokers.measured(list(brokers.PARTS), 5000, 3), brokers.table
    ),
    "api": Program("The HTTP API", lambda: api.measured(api.FULL), api.table),
    "console": Program("The console", lambda: console.measured(console.FULL), console.table),
    "parts": Program("Where the time goes", lambda: parts.measured(60), parts.table),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; return the exit status, 1 where a run was void and nothing is written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default=",".join(PROGRAMS), help="by commas")
    parser.add_argument("--write", type=Path, help="the page whose figures are replaced")
    options = parser.parse_args(arguments)
    names = options.only.split(",")
    if unknown := set(names) - set(PROGRAMS):
        parser.error(f"--only: {', '.join(sorted(unknown))}: none of {', '.join(PROGRAMS)}")
    results: dict[str, Any] = {}
    for name in names:
        began = time.monotonic()
        say(f"--- {name}")
        try:
            results[name] = PROGRAMS[name].measure()
        except NotifyError as error:
            say(f"void: {error}")
            return 1
        say(f"--- {name}: {time.monotonic() - began:.0f} s")
    print("\n".join(figures_of(results)))
    if options.write:
        _write(options.write, results)
    return 0


def figures_of(results: Mapping[str, Any]) -> list[str]:
    """Return the tables and the chart in Markdown."""
    lines: list[str] = []
    for name, result in results.items():
        lines += [f"### {PROGRAMS[name].heading}", "", *PROGRAMS[name].table(result), ""]
        if name == "compare":
            lines += [*chart(result), ""]
    return lines


def chart(result: Mapping[str, Any]) -> list[str]:
    """Return a chart in Markdown with a bar for each contender's median."""
    names = list(result["rates"])
    medians = [sorted(rates)[len(rates) // 2] for rates in result["rates"].values()]
    return [
        "```mermaid",
        "xychart-beta",
        '    title "Events a second, medians"',
        f"    x-axis [{', '.join(f'({name})' for name in names)}]",
        f"    bar [{', '.join(f'{median:.0f}' for median in medians)}]",
        "```",
    ]


def _write(page: Path, results: Mapping[str, Any]) -> None:
    """Replace what was measured; what was not stays in the JSON as it is."""
    figures = page.with_suffix(".json")
    known = json.loads(figures.read_text()) if figures.exists() else {}
    known.update(results)
    figures.write_text(json.dumps(known, indent=2) + "\n")
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    shown = figures_of({name: known[name] for name in PROGRAMS if name in known})
    page.write_text("\n".join([before.rstrip(), "", BEGIN, "", *shown, END]) + after)


if __name__ == "__main__":
    sys.exit(main())
