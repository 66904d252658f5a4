"""PostgreSQL and a broker on one machine, for the demo, tests and benchmarks."""
