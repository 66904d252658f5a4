"""The results of all faults, from which the table in ``docs/reliability.md`` is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- the suite writes from here -->"
END: Final = "<!-- to here -->"

OUTAGE: Final = ("<!-- make chaos-outage writes from here -->", "<!-- up to here -->")


@dataclass(frozen=True, order=True)
class Row:
    """The result of one fault at one step: seconds until everything had ended, and what was lost or doubled."""

    fault: str
    step: str
    happened: str
    seconds: float
    lost: int
    doubled: int


@dataclass
class Report:
    """Rows in the order of the steps."""

    rows: list[Row] = field(default_factory=list)

    def add(
        self, fault: str, step: str, happened: str, seconds: float, findings: list[str]
    ) -> None:
        """Add the result of a fault; ``findings`` are those of ``chaos.findings``."""
        lost = sum(f.startswith("lost") for f in findings)
        doubled = sum(f.startswith(("paged twice", "fired too often")) for f in findings)
        self.rows.append(Row(fault, step, happened, seconds, lost, doubled))
        print(f"\n{fault} at {step}: everything had ended after {seconds:.1f} s; {happened}")  # noqa: T201 - recovery times are shown

    def write(self, path: str | None) -> None:
        """Write the rows into the file's table, in place of earlier ones of the same fault and step."""
        if path is None or not self.rows:
            return
        file = Path(path)
        head, rest = file.read_text("utf-8").split(BEGIN)
        before, tail = rest.split(END)
        rows = {_key(line): line for line in before.splitlines() if line.startswith("| ")}
        for line in HEAD:
            rows.pop(_key(line), None)
        rows |= {_key(line): line for line in map(_line, self.rows)}
        table = "\n".join([*HEAD, *rows.values()])
        file.write_text(f"{head}{BEGIN}\n\n{table}\n\n{END}{tail}", "utf-8")


HEAD: Final = (
    "| fault | at | what happened | recovery | lost | doubled |",
    "| --- | --- | --- | --- | --- | --- |",
)


def _line(row: Row) -> str:
    return (
        f"| {row.fault} | {row.step} | {row.happened} | {row.seconds:.1f} s | {row.lost} | "
        f"{row.doubled} |"
    )


def _key(line: str) -> str:
    """Return what identifies a row, fault and step; a random history is one row whatever its seed."""
    fault, step = line.split("|")[1:3]
    return "random" if fault.strip().startswith("random") else f"{fault}|{step}"


@dataclass(frozen=True)
class Measured:
    """What was measured at one moment of an outage, ``seconds`` after it began."""

    seconds: float
    workers_mb: float
    redis_mb: float
    messages: int
    attempts: int
    delivered: int


@dataclass(frozen=True)
class Outage:
    """The result of an outage of PagerDuty: ``late`` in seconds, ``took`` since it was over."""

    waiting: int
    minutes: float
    took: float
    late: dict[str, float]
    looks: list[Measured]
    findings: list[str]

    def write(self, path: str | None) -> None:
        """Write the outage, with its curve, into the file."""
        if path is None:
            return
        begin, end = OUTAGE
        file = Path(path)
        head, rest = file.read_text("utf-8").split(begin)
        text = "\n".join([self._summary(), "", *self._curve()])
        file.write_text(f"{head}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}", "utf-8")

    def _summary(self) -> str:
        result = "; ".join(self.findings) or "nothing was lost or doubled"
        late = self.late
        return (
            f"{self.waiting} notifications in their third cycle, PagerDuty answering 503 for "
            f"{self.minutes:g} minutes: everything had ended {self.took:.0f} s after it was well "
            f"again; {result}. Attempts began {late['p50']:.1f} s (median), {late['p99']:.1f} s "
            f"(99 %) and at most {late['latest']:.1f} s after their time; none began more than "
            f"{max(0.0, -late['earliest']):.2f} s before it."
        )

    def _curve(self) -> list[str]:
        lines = [
            "| minute | workers, MB | Redis, MB | messages | attempts | delivered |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        first_of_minute = {int(one.seconds // 60): one for one in reversed(self.looks)}
        begun = self.looks[0].attempts
        return lines + [
            f"| {minute} | {one.workers_mb:.0f} | {one.redis_mb:.0f} | {one.messages} | "
            f"{one.attempts - begun} | {one.delivered} |"
            for minute, one in sorted(first_of_minute.items())
        ]
