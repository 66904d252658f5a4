"""The pages of docs/reference/, made of the code: settings, commands, tasks, events, metrics and lines of the log.

``make reference`` writes them; ``tests/test_reference.py`` finds one that is not as the code has it.
"""
