"""All checks by name: what ``--list`` prints, and what can be chosen or left out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from manualnn.checks.report import Diagnosis, Finding, first_line
from manualnn.checks.subject import Subject

Examination = Callable[[Subject], Iterator[Finding]]


class NotRun(Exception):
    """Raised in a check that cannot tell; the message is the reason."""


@dataclass(frozen=True)
class Check:
    """Something that can be asked of a subject.

    Attributes:
        name: With dashes, such as ``expanded-cotangent``.
        doc: What holds where it passes, in a line.
        function: Yields what is to be said about a subject, and nothing where all is well.
        costly: Takes seconds, and is run only where it is asked for.
    """

    name: str
    doc: str
    function: Examination
    costly: bool = False

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yields the findings, under the name of the check."""
        try:
            for finding in self.function(subject):
                yield replace(finding, check=self.name)
        except NotRun as reason:
            yield Finding(self.name, "not run", str(reason))
        except Exception as error:  # what nobody thought of must not hide what else there is
            yield Finding(self.name, "not run", f"it raises {first_line(error)}")


CHECKS: dict[str, Check] = {}


def check(function: Examination) -> Check:
    """Registers a function under its name, with the first line of its docstring.

    It leaves the name out of its findings (:func:`wrong`, :func:`unsupported`, :func:`advice`), and
    raises :class:`NotRun` where it cannot tell.

    Raises:
        ValueError: If the name is taken.
    """
    return _registered(function, costly=False)


def costly_check(function: Examination) -> Check:
    """Registers a function that takes seconds, see :func:`check`."""
    return _registered(function, costly=True)


def _registered(function: Examination, costly: bool) -> Check:
    name = function.__name__.replace("_", "-")
    if name in CHECKS:
        raise ValueError(f"there is a check {name} already")
    doc = (inspect.getdoc(function) or "").partition("\n")[0]
    CHECKS[name] = Check(name, doc, function, costly)
    return CHECKS[name]


def wrong(text: str, cause: str, evidence: str, guess: str = "") -> Finding:
    """Something that has to be mended, and why it may be so."""
    return Finding("", "wrong", text, Diagnosis(cause, evidence, guess))


def unsupported(text: str, diagnosis: Diagnosis | None = None) -> Finding:
    """Something that the subject does not offer, and why it may be so."""
    return Finding("", "unsupported", text, diagnosis)


def advice(text: str) -> Finding:
    """Something that is right, and could be better."""
    return Finding("", "advice", text)
