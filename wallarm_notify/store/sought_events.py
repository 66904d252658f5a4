"""Which bodies of events may have a value that is sought, as a condition in SQL."""

import json
import re
from uuid import UUID

from wallarm_notify.domain.subjects import is_address


def having(sought: str) -> tuple[list[str], dict[str, str | None]]:
    """Return the condition that an event's id is ``sought``, or may be a value of its body.

    Bodies that it does not hold for need not be read. The second value is its parameters.

    An address of version 6 can be written in many ways, so that any body may have it: there is no condition.
    """
    if ":" in sought and is_address(sought):
        return [], {}
    # Only where there are letters, as it takes longer.
    body = "lower(n.body)" if any(map(str.isalpha, sought)) else "n.body"
    texts = {f"text{n}": text for n, text in enumerate(_texts_of(sought))}
    found = " OR ".join(f"position(lower(:{name}) IN {body}) > 0" for name in texts)
    return [f"(n.id = CAST(:as_id AS uuid) OR {found})"], {"as_id": id_in(sought), **texts}


def id_in(text: str) -> str | None:
    """Return the UUID that ``text`` is; None: it is none."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


def _texts_of(sought: str) -> list[str]:
    """Return texts of which a body has one where ``sought`` is a value in it."""
    quoted = json.dumps(sought, ensure_ascii=False)
    if re.fullmatch(r"-?[0-9]{1,19}", sought):
        # Bodies from before 1.0 have a blank after the colon.
        return [quoted, *(f":{blank}{sought}{end}" for blank in ("", " ") for end in ",}")]
    # An address of version 4 may be the end of one of version 6.
    return [quoted[1:] if is_address(sought) else quoted]
