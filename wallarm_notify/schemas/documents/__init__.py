"""The JSON documents that people and programs are shown: one function and one typed result for each.

The command line prints them with ``--json``. Keys, their order and what they mean are stable; an absent value is
null. Values are Python's (times, UUIDs); ``encoding`` writes those that JSON has no type for.

``TypedDict`` is that of typing_extensions, which pydantic brings: on Python 3.11 it reads no other.
"""
