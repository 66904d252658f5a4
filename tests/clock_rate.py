"""What plain work takes on this machine just now: a test of speed counts in it, not in seconds."""

import time


def seconds_to_look_through(text: str) -> float:
    """Return the processor's seconds for one look at each character of ``text``."""
    began = time.process_time()
    level = 0
    for character in text:
        if character == "[":
            level += 1
        elif character == "]":
            level -= 1
    return time.process_time() - began
