"""The ways in to the program: command line, demo, metrics and Flower. They have no rules of their own."""
