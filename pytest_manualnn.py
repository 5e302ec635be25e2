"""The pytest plugin of manualnn: gradients checked in anybody's tests.

A module beside the package, as importing ``manualnn`` imports torch: this one does so once a check
is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from manualnn.checks import Report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--gradient-check``."""
    parser.getgroup("manualnn").addoption(
        "--gradient-check",
        action="append",
        default=[],
        metavar="PACKAGE.MODULE:NAME",
        help="check the gradients of what a function without arguments returns: a module, or "
        "function, and its inputs; may be given repeatedly",
    )


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Adds a test for each ``--gradient-check``."""
    items.extend(
        GradientCheck.from_parent(session, name=name) for name in config.option.gradient_check
    )


@pytest.fixture
def check_gradients() -> Iterator[Callable[..., Report]]:
    """Checks a module or function on inputs, and fails the test with the report if it is wrong.

    def test_my_layer(check_gradients):
        check_gradients(MyLayer(8), torch.randn(4, 8))
    """

    def check(function: Callable[..., Any], *inputs: Any, **choice: Any) -> Report:
        from manualnn.checks import check_function

        __tracebackhide__ = True
        report = check_function(function, *inputs, **choice)
        report.raise_if_failed()
        return report

    yield check


class GradientCheck(pytest.Item):
    """What ``--gradient-check`` names, as a test."""

    def runtest(self) -> None:
        """Raises the report if something is wrong."""
        from manualnn.checks import check_function
        from manualnn.checks.__main__ import subject_of

        function, inputs = subject_of(self.name, ())
        check_function(function, *inputs).raise_if_failed()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Shows the report, and no traceback of the doctor's."""
        from manualnn.checks import GradientError

        if excinfo.errisinstance(
            (GradientError, ImportError, AttributeError, TypeError, ValueError)
        ):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, None, str]:
        """What a failure is headed with."""
        return self.name, None, f"gradient check of {self.name}"
