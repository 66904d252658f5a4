"""Templates: Jinja's environment, in which every value is escaped and none may be missing."""

from functools import lru_cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from wallarm_notify.domain.state_words import state_words
from wallarm_notify.domain.words import counted, duration_of
from wallarm_notify.entrypoints.console.assets import asset_url

_OF_THIS: Final = "wallarm_notify.entrypoints.console"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the environment that all pages are made in."""
    made = Environment(
        loader=PackageLoader(_OF_THIS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    made.globals |= {"asset": asset_url, "state_words": state_words}
    made.filters |= {"counted": counted, "duration": duration_of}
    return made
