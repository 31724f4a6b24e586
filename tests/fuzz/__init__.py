"""Fuzzing: random octets, and what must hold for all of them.

    pip install -e '.[fuzz]' && python -m tests.fuzz connection -max_total_time=1800

or, in place of `connection`: traffic, trace, server, response.

`targets` says what holds, `__main__` lets atheris look for octets with which it does not, and `test_targets` does a
little of both, without atheris, in every run of the tests.
"""
