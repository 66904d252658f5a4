"""Timelines: one notification as Markdown, for a ticket or a chat."""

from collections.abc import Sequence

from wallarm_notify.domain.places import Cycle, Place, PlaceState, answer_words
from wallarm_notify.domain.state_words import state_words
from wallarm_notify.domain.story import Story
from wallarm_notify.entrypoints.console.times import Times


def timeline(
    story: Story, cycles: Sequence[Cycle], summary: str, happened: str, times: Times
) -> str:
    """Return the story of a notification as Markdown, its times in the reader's zone."""
    shown = story.shown
    places = [place for cycle in cycles for place in cycle.places]
    state = state_words(shown.state, shown.attempts_made, shown.attempts_at_most)
    rows = [_row(one, times) for one in places if one.state is not PlaceState.UNUSED]
    lines = [
        f"## {state}: {_line(summary)}",
        "",
        f"- What happened: {_line(happened)}",
        f"- Which rule matched: {_line(story.rule)}",
        f"- To: {_line(story.to)}",
        f"- Made: {times.exact(shown.created_at)}",
        *([f"- Ended: {times.exact(shown.finished_at)}"] if shown.finished_at else []),
        f"- Notification {shown.id}, dedup key `{shown.dedup_key}`",
        "",
        f"| Attempt | At ({times.zone_words}) | Waited | Answer | Took |",
        "|---|---|---|---|---|",
        *rows,
        "",
        story.end,
        "",
    ]
    return "\n".join(lines)


def _row(place: Place, times: Times) -> str:
    at = "" if place.at is None else f"{place.at.astimezone(times.zone):%Y-%m-%d %H:%M:%S}"
    if place.attempt is None:
        return f"| {place.number} | {at} | {place.wait_words} | {place.state} | |"
    took = f"{place.attempt.duration_ms / 1000:.2f} s"
    answer = _line(" ".join(answer_words(place.attempt)))
    return f"| {place.number} | {at} | {place.wait_words} | {answer} | {took} |"


def _line(text: str) -> str:
    """Return text in one line, in which nothing is taken for Markdown."""
    line = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in line)
