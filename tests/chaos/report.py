"""What every fault came to: the table in ``docs/reliability.md`` is written from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- the suite writes from here -->"
END: Final = "<!-- to here -->"


@dataclass(frozen=True, order=True)
class Row:
    """One fault at one step: how long until everything had ended, and what was lost or doubled."""

    fault: str
    step: str
    happened: str
    seconds: float
    lost: int
    doubled: int


@dataclass
class Report:
    """Collects rows in the order of the steps."""

    rows: list[Row] = field(default_factory=list)

    def add(
        self, fault: str, step: str, happened: str, seconds: float, findings: list[str]
    ) -> None:
        """Notes down what a fault came to; ``findings`` are the judge's."""
        lost = sum(f.startswith("lost") for f in findings)
        doubled = sum(f.startswith(("paged twice", "fired too often")) for f in findings)
        self.rows.append(Row(fault, step, happened, seconds, lost, doubled))
        print(f"\n{fault} at {step}: everything had ended after {seconds:.1f} s; {happened}")  # noqa: T201 - recovery times are shown

    def write(self, path: str | None) -> None:
        """Puts the table into the file, between its marks; nothing without a file."""
        if path is None or not self.rows:
            return
        file = Path(path)
        text = file.read_text("utf-8")
        head, rest = text.split(BEGIN)
        _, tail = rest.split(END)
        file.write_text(f"{head}{BEGIN}\n\n{self.table()}\n{END}{tail}", "utf-8")

    def table(self) -> str:
        """The rows as Markdown."""
        lines = [
            "| fault | at | what happened | recovery | lost | doubled |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| {r.fault} | {r.step} | {r.happened} | {r.seconds:.1f} s | {r.lost} | {r.doubled} |"
            for r in self.rows
        ]
        return "\n".join([*lines, ""])
