"""The examples are tested with the fixtures of the sockets that they use."""

from tests.minizmtp.conftest import _nothing_wrong_inside, errors_expected, quick_clock

__all__ = ["_nothing_wrong_inside", "errors_expected", "quick_clock"]
