"""Documents as Wallarm's own API has them.

Its clients fail at a type that is another, and some at null for a text.
"""
