"""One run, side by side: this pipeline against what one would pick instead.

    python -m benchmarks.compare [--events 5000] [--rounds 3] [--only e,f] [--json]

Same machine, database, broker and sink; everyone in turn, round after round; medians, and medians of the
ratios within a round. The sink answers 202 at once; a run whose ledger does not balance is void.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.contenders import ALERTMANAGER, CONTENDERS, WORDS
from benchmarks.stack import CORES, benchmark_stack, say
from wallarm_notify.domain.errors import NotifyError

INTEGRATIONS: Final = 1000
RATIOS: Final = (("e", "d"), ("e", "b"), ("f", "b"), ("e", "c"), ("f", "c"), ("e", "a"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="".join(CONTENDERS), help="letters, as ef")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    names = [name for name in CONTENDERS if name in options.only]
    if not ALERTMANAGER.exists() and "d" in names:
        say("Alertmanager is left out: apt-get install prometheus-alertmanager")
        names.remove("d")
    try:
        result = measured(names, options.events, options.rounds)
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


def measured(names: Sequence[str], events: int, rounds: int) -> dict[str, Any]:
    """Return events a second by contender and round, and the sink's share of the machine's CPU."""
    rates: dict[str, list[float]] = {name: [] for name in names}
    sink: dict[str, list[float]] = {name: [] for name in names}
    with benchmark_stack() as one:
        say(f"making {INTEGRATIONS} integrations")
        one.make_integrations(INTEGRATIONS)
        for number in range(1, rounds + 1):
            for name in names:
                one.sink.forget()
                rates[name].append(CONTENDERS[name](one, events))
                sink[name].append(one.last_sink_share)
                say(f"round {number} of {rounds}: ({name}) {rates[name][-1]:,.0f} events/s")
    return {
        "events": events,
        "integrations": INTEGRATIONS,
        "cores": CORES,
        "rates": rates,
        "sink": sink,
        "ratios": {
            f"{over}/{under}": statistics.median(
                a / b for a, b in zip(rates[over], rates[under], strict=True)
            )
            for over, under in RATIOS
            if over in rates and under in rates
        },
    }


def table(result: Mapping[str, Any]) -> list[str]:
    """Return the result as a table in Markdown."""
    lines = [
        f"{result['events']:,} events for {result['integrations']:,} integrations on {result['cores']} cores:",
        "",
        "| | contender | events/s, median | rounds | sink's part of the machine |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, rates in result["rates"].items():
        words = WORDS[name]
        rounds = ", ".join(f"{rate:,.0f}" for rate in rates)
        share = statistics.median(result["sink"][name])
        lines.append(
            f"| ({name}) | {words} | {statistics.median(rates):,.0f} | {rounds} | {share:.0%} |"
        )
    ratios = [
        f"({name.replace('/', ')/(')}) {ratio:.2f}" for name, ratio in result["ratios"].items()
    ]
    if ratios:
        lines += ["", f"Medians of the ratios, rounds paired: {', '.join(ratios)}."]
    return lines


if __name__ == "__main__":
    sys.exit(main())
