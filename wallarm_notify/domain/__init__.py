"""The domain: nouns and rules, of the standard library alone, without a framework, input or output."""
