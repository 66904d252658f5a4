"""The HTTP API: each call reads what it is sent, runs one use case, and answers with its document.

A call reaches its use case in this order: ``middleware`` (is there room), ``route`` (who asks, whether they may, how
often, what they send), ``calls`` (a module for each subject). ``faults`` says of every error what is answered.
"""
