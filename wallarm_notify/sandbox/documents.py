"""Control documents: how each is read into a model, and the sentence that refuses a wrong one."""

from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from wallarm_notify.sandbox.events import is_well_formed_key

LONGEST: Final = 86_400
MAX_NUMBER: Final = 1_000_000_000


class RefusedError(Exception):
    """A client's request that is not permitted; the text says what is."""


class Document(BaseModel):
    """A JSON object of known fields; a field's `description` follows "must be" in a refusal.

    The `title` of a field, if it has one, follows "needs" when the field is missing or null.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


DocumentT = TypeVar("DocumentT", bound=Document)


def read(model: type[DocumentT], document: Any, what: str = "The document") -> DocumentT:
    """Return `document` as the model; raise RefusedError with one sentence about `what`."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise RefusedError(_sentence(model, error, what)) from error


def _sentence(model: type[Document], error: ValidationError, what: str) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return f"{what} must be a JSON object."
    name = str(first["loc"][0])
    field = model.model_fields.get(name)
    if field is None:
        permitted = ", ".join(sorted(model.model_fields))
        return f"{what} has an unknown field {name!r}; permitted are: {permitted}."
    if field.title is not None and (first["type"] == "missing" or first["input"] is None):
        return f"{what} needs {name!r}, {field.title}."
    return f"{name!r} must be {field.description}."


def _well_formed(key: str) -> str:
    if not is_well_formed_key(key):
        raise ValueError
    return key


def whole(least: int, most: int) -> Any:
    """Return the limits of a field that is a whole number."""
    return Field(ge=least, le=most, description=f"a whole number from {least} to {most}")


_DURATION: Any = Field(
    ge=0, le=LONGEST, description=f"a number of seconds from 0 to {LONGEST}, or null"
)

Seconds = Annotated[float, _DURATION]
"""A duration in seconds, a day at most."""

SecondsOrNone = Annotated[float | None, _DURATION]
"""A duration in seconds, a day at most, or none."""

Key = Annotated[str, AfterValidator(_well_formed)]
"""An integration key."""
