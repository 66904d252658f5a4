"""Figures in words: counts, attempts and durations, as people read them."""

from collections.abc import Iterable


def attempt_words(numbers: Iterable[int]) -> str:
    """Return the numbers of attempts in words: ``attempt 3``, or ``attempts 1 to 4``."""
    low, high = min(known := set(numbers)), max(known)
    return f"attempt {low}" if low == high else f"attempts {low} to {high}"


def duration_of(seconds: float) -> str:
    """Return whole seconds for people, as ``7 d`` or ``51 min 8 s``; less than a second in hundredths."""
    if 0 < seconds < 1:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    parts = [
        (whole // 86_400, "d"),
        (whole // 3600 % 24, "h"),
        (whole // 60 % 60, "min"),
        (whole % 60, "s"),
    ]
    return " ".join(f"{figure} {unit}" for figure, unit in parts if figure) or "0 s"


def counted(number: int, noun: str) -> str:
    """Return ``1 event``, ``2 events``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
