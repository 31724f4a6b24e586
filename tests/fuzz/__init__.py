"""Fuzzing: invariants that must hold for any octets.

    pip install -e '.[fuzz]' && python -m tests.fuzz connection -max_total_time=1800

Other targets are traffic, sealed, ws, trace, server and response.

`targets` checks the invariants, `__main__` searches with atheris for octets that violate them, and `test_targets` does
a short search without atheris in every test run.
"""
