"""The zoo of planted bugs: what ``torch.autograd.gradcheck`` and the gradient doctor say of each.

    python -m benchmarks.gradient_doctor            # a few minutes; the table, and a line for each

A bug is caught if anything is reported, and named if the cause that it was planted with is.
"""

from __future__ import annotations

import time
import warnings

from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from manualnn.checks import check_module
from tests.checks.zoo import HEALTHY, ZOO, Specimen


def caught_by_torch(specimen: Specimen, order: int) -> bool:
    """Whether gradcheck (and gradgradcheck) with default settings raises."""
    module, inputs = specimen.build()
    names = [name for name, _ in module.named_parameters()]

    def function(*values):
        values = list(values)
        called = tuple(values.pop(0) if t.is_floating_point() else t for t in inputs)
        return functional_call(module, dict(zip(names, values, strict=True)), called)

    tensors = [*(t.clone() for t in inputs if t.is_floating_point()), *module.parameters()]
    values = [t.detach().requires_grad_() for t in tensors]
    try:
        gradcheck(function, values)
        if order == 2:
            gradgradcheck(function, values)
    except Exception:
        return True
    return False


def main() -> None:
    """Prints a line for each bug, and the table."""
    warnings.simplefilter("ignore")
    counts = dict.fromkeys(("gradcheck", "and gradgradcheck", "doctor", "named"), 0)
    slowest = 0.0
    for specimen in ZOO:
        start = time.perf_counter()
        report = check_module(*_flat(specimen))
        slowest = max(slowest, time.perf_counter() - start)
        causes = {f.diagnosis.cause for f in report.findings if f.level == "wrong" and f.diagnosis}
        said = {
            "gradcheck": caught_by_torch(specimen, 1),
            "and gradgradcheck": caught_by_torch(specimen, 2),
            "doctor": not report.ok,
            "named": specimen.cause in causes,
        }
        for name, is_so in said.items():
            counts[name] += is_so
        words = ", ".join(name for name, is_so in said.items() if is_so)
        print(f"{specimen.name} ({specimen.cause}): {words or 'nothing'}")
    alarms = sum(not check_module(*_flat(specimen)).ok for specimen in HEALTHY)
    alarms_of_torch = sum(caught_by_torch(specimen, 2) for specimen in HEALTHY)
    print(
        f"\n| of {len(ZOO)} bugs | caught | cause named | alarms at {len(HEALTHY)} right layers |"
    )
    print("| --- | --- | --- | --- |")
    print(f"| `gradcheck` | {counts['gradcheck']} | 0 | |")
    print(f"| and `gradgradcheck` | {counts['and gradgradcheck']} | 0 | {alarms_of_torch} |")
    print(f"| `manualnn.checks` | {counts['doctor']} | {counts['named']} | {alarms} |")
    print(f"\nslowest: {slowest:.1f} s")


def _flat(specimen: Specimen) -> tuple:
    module, inputs = specimen.build()
    return module, *inputs


if __name__ == "__main__":
    main()
