"""From a wrong gradient to its cause: hypotheses, the simplest first, until one fits."""

from __future__ import annotations

from contextlib import suppress

from manualnn.checks.diagnosis import convolution, elsewhere, normalisation, places, scale, terms
from manualnn.checks.diagnosis.chart import TOLERANCE, Chart
from manualnn.checks.report import Diagnosis

HYPOTHESES = (
    scale.precision,
    places.nothing_returned,
    scale.wrong_sign,
    scale.constant_factor,
    scale.wrong_order,
    places.outputs_forgotten,
    scale.case_forgotten,
    places.part_of_the_sum,
    places.mask_inverted,
    places.too_many,
    places.last_window_only,
    places.transposed,
    places.summed_over_an_axis,
    places.reduced_over_another_axis,
    places.the_same_along_an_axis,
    elsewhere.at_output,
    elsewhere.at_input,
    scale.factor_of_elements,
    places.flipped,
    places.channels_dealt,
    places.first_group_for_all,
    normalisation.normalisation,
    convolution.convolution,
    elsewhere.other_weights,
    elsewhere.through_another_weight,
    scale.factor_of_cotangents,
    places.responses_misplaced,
    places.shifted,
    places.shifted_cotangent,
    terms.wrong_slice,
    terms.constant_term,
    terms.wrong_term,
    terms.normalised_along_another_axis,
    terms.at_the_border,
    terms.misplaced,
    terms.nearly_right,
)

OF_COMPLEX = (
    scale.precision,
    places.nothing_returned,
    scale.wrong_sign,
    scale.not_conjugated,
    scale.constant_factor,
    scale.wrong_order,
)

__all__ = ["HYPOTHESES", "OF_COMPLEX", "Chart", "diagnose"]


def diagnose(chart: Chart) -> Diagnosis | None:
    """Returns the first cause that explains what was returned, or None."""
    for hypothesis in OF_COMPLEX if chart.is_complex else HYPOTHESES:
        with suppress(Exception):  # it may have called the subject where that does not work
            for guess in hypothesis(chart):
                if guess.error < TOLERANCE:
                    return Diagnosis(guess.cause, guess.evidence, guess.meaning, guess.error)
    return None
