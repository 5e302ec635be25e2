"""What the doctor says: findings, each of one check, and what passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

Level = Literal["wrong", "unsupported", "advice", "not run"]
LEVELS = get_args(Level)


class GradientError(AssertionError):
    """A gradient is wrong; the message is the report."""


@dataclass(frozen=True)
class Diagnosis:
    """Why a gradient is wrong.

    Attributes:
        cause: A word for it, such as ``wrong-sign``.
        evidence: What was seen: numbers.
        guess: What that may come from; "" for nothing.
        error_left: The relative error that is left once this is corrected, where it was.
    """

    cause: str
    evidence: str
    guess: str = ""
    error_left: float | None = None


@dataclass(frozen=True)
class Finding:
    """Something that a check has to say.

    Attributes:
        check: The check's name.
        level: ``wrong`` fails; ``unsupported`` is what the subject does not offer; ``advice`` is
            right, and could be better; ``not run`` is a check that could not tell.
        text: What it is, in a line.
        diagnosis: Why, where there is an idea.
    """

    check: str
    level: Level
    text: str
    diagnosis: Diagnosis | None = None

    def lines(self) -> Iterator[str]:
        """The finding in a few lines."""
        yield f"{self.level.upper()} ({self.check}): {self.text}"
        if self.diagnosis:
            evidence, guess = self.diagnosis.evidence, self.diagnosis.guess
            left = self.diagnosis.error_left
            yield f"  {evidence}" + ("" if left is None else f" (left: {left:.0e})")
            if guess:
                yield f"  {guess}"


@dataclass(frozen=True)
class Report:
    """All findings about one subject.

    Attributes:
        name: Of the subject.
        findings: In the order of the checks.
        passed: Names of the checks that found nothing.
    """

    name: str
    findings: list[Finding] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not any(finding.level == "wrong" for finding in self.findings)

    @property
    def not_compared(self) -> bool:
        """Whether the first-order check could not tell."""
        return any(f.check == "first-order" and f.level == "not run" for f in self.findings)

    def raise_if_failed(self) -> None:
        """Raises :class:`GradientError`, with the report, if something is wrong."""
        __tracebackhide__ = True
        if not self.ok:
            raise GradientError(str(self))

    def to_dict(self) -> dict[str, Any]:
        """The report as numbers, words and lists, for json."""
        return {"name": self.name, "ok": self.ok, **asdict(self)}

    def __str__(self) -> str:
        """What a person reads."""
        wrong = sum(finding.level == "wrong" for finding in self.findings)
        verdict = f"{wrong} wrong" if wrong else "right"
        if self.not_compared and not wrong:
            verdict = "nothing wrong was found, but no gradient was compared"
        lines = [f"{self.name}: {verdict}"]
        found = sorted(self.findings, key=lambda finding: LEVELS.index(finding.level))
        alike: dict[tuple[str, str, Diagnosis | None], list[Finding]] = {}
        for finding in found:
            alike.setdefault((finding.level, finding.text, finding.diagnosis), []).append(finding)
        for findings in alike.values():
            names = ", ".join(finding.check for finding in findings)
            lines += [f"  {line}" for line in replace(findings[0], check=names).lines()]
        if self.passed:
            lines.append(f"  passed: {', '.join(self.passed)}")
        return "\n".join(lines)


def first_line(error: Exception) -> str:
    """Returns what an error says, in a line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
