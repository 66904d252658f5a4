"""The fields that several calls take: ids, times, pages."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Path
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.event import EVENT_TYPES, Subscription
from wallarm_notify.domain.integration import REGIONS
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.summary_form import SummaryForm
from wallarm_notify.domain.text import LONGEST_NAME, LONGEST_TEXT
from wallarm_notify.domain.triggers.alert_group import AlertGroup
from wallarm_notify.domain.triggers.condition import Condition

LARGEST_ID: Final = 2**63 - 1
LARGEST_PAGE: Final = 200

_DIGITS: Final = re.compile(r"-?[0-9]+")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def _in_digits(given: Any) -> Any:
    """Return what was given, where it is no text but of digits: pydantic would take 1.0 and 1_0 for numbers too."""
    if isinstance(given, str) and not _DIGITS.fullmatch(given):
        raise PydanticCustomError("int_parsing", "no whole number")
    return given


DIGITS: Final = BeforeValidator(_in_digits)
"""Lets a number be written in digits alone in a path and a query; it stands last, so that limits are described."""

Id = Annotated[int, Field(ge=1, le=LARGEST_ID), DIGITS]
"""The number of a client, an integration and so on."""

PathId = Annotated[int, Path(ge=1, le=LARGEST_ID), DIGITS]
"""The number of the thing that a call is about."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("too far away") from None


def _no_number(given: Any) -> Any:
    """Return a text that begins as a time does: pydantic would take a number for seconds since 1970."""
    if isinstance(given, str) and _DATE.match(given):
        return given
    raise PydanticCustomError("datetime_parsing", "no time")


MomentOrSeconds = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time with its zone, in UTC, or as seconds since 1970."""

Moment = Annotated[MomentOrSeconds, BeforeValidator(_no_number)]
"""A time with its zone, in UTC."""


# Rules of the domain refuse the fields below, in sentences that name what is permitted. So they are any text here, and
# only the OpenAPI description says which one.


def text_like(**limits: Any) -> WithJsonSchema:
    """Return what the description says of a text, beside that it is one."""
    return WithJsonSchema({"type": "string", **limits})


def one_of(words: Iterable[str]) -> WithJsonSchema:
    """Return what the description says of a text that is one of ``words``."""
    return text_like(enum=[str(word) for word in words])


KEY_PATTERN: Final = "^[A-Za-z0-9]{32}$"

Key = Annotated[SecretStr, text_like(pattern=KEY_PATTERN, format="password", writeOnly=True)]
"""A PagerDuty integration key."""

Name = Annotated[str, text_like(minLength=1, maxLength=LONGEST_NAME)]
"""What people call something."""

Reason = Annotated[str, text_like(maxLength=LONGEST_TEXT)]
"""Why something is done."""

Region = Annotated[str, one_of(REGIONS)]
"""PagerDuty's service region."""

SubscriptionWord = Annotated[str, one_of([*Subscription, "security_issue"])]
"""What an integration subscribes to; ``security_issue`` is its five risks."""

SummaryWord = Annotated[str, one_of(SummaryForm)]
"""The form of an alert's summary."""

EventTypeWord = Annotated[str, one_of(EVENT_TYPES)]
"""The type of an event."""

ConditionWord = Annotated[str, one_of(Condition)]
"""The condition of a trigger."""

GroupWord = Annotated[str, one_of(AlertGroup)]
"""What a trigger's alerts are merged by."""


@contextmanager
def fields_named(names: Mapping[str, str]) -> Iterator[None]:
    """Name fields that are at fault as a call does, where their rules have other ``names``."""
    try:
        yield
    except NotFound:
        raise
    except Refused as error:
        if error.field is None:
            raise
        first = error.field.split(" ", 1)[0]  # as in: filter pool
        raise type(error)(error.sentence, field=names.get(first, first), hint=error.hint) from None


class Asked(BaseModel):
    """What a call is asked by its query; what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Sent(BaseModel):
    """What a call is sent as its body; what it does not know is refused, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Paged(Asked):
    """Which page of a listing is asked for."""

    limit: Annotated[
        int, Field(ge=1, le=LARGEST_PAGE, description="How many to list at most."), DIGITS
    ] = 50
    cursor: Annotated[
        str | None,
        Field(pattern=r"^[0-9]{1,18}$", description="What the page before named as next."),
    ] = None

    @property
    def after(self) -> int | None:
        """The id that the page begins behind; None: it is the first one."""
        return None if self.cursor is None else int(self.cursor)


class InPeriod(Paged):
    """Which page of a listing is asked for, and of which time."""

    since: Annotated[Moment | None, Field(description="Only from then on.")] = None
    until: Annotated[Moment | None, Field(description="Only before then.")] = None

    @property
    def period(self) -> Period:
        """The time between both. Raise Refused where there is none."""
        return Period(self.since, self.until)
