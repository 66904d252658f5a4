"""The calls of Wallarm's own API, under ``/v1`` and ``/v2``, as clients written for it make and read them."""
