from __future__ import annotations

import signal

import pytest


@pytest.fixture(autouse=True)
def _interruptible():
    """Lets Ctrl-C stop the tests again, which Lightning ignores after an interrupted training."""
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)
