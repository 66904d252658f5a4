"""Schemas: what crosses a process boundary, and how it is read or written.

- ``catalogue``: one model per event type, made of the types in ``fields``; the JSON Schema that producers are shown
- ``read``: events and calls of ``events.ingest`` become ``Event`` or ``Rejection``
- ``call_text``, ``json_text``: reading what JSON's own parser refuses, piece by piece
- ``documents``: the JSON that people and programs are shown
- ``storable``: what the database cannot hold; ``complaints``: what is wrong, in sentences for people

Import from these modules: nothing is re-exported here, so that a user of one does not load the others.
"""
