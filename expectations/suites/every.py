"""The suites: what every release must hold, besides what its spec declares."""

from collections.abc import Callable

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec
from expectations.suites.calibration import calibration_suite
from expectations.suites.cause import cause_suite
from expectations.suites.comparison import comparison_suite
from expectations.suites.compression import compression_suite
from expectations.suites.conversion import conversion_suite
from expectations.suites.costs import costs_suite
from expectations.suites.data import data_suite
from expectations.suites.echo import echo_suite
from expectations.suites.explanations import explanations_suite
from expectations.suites.fairness import fairness_suite
from expectations.suites.gaming import gaming_suite
from expectations.suites.guards import guards_suite
from expectations.suites.interactions import interactions_suite
from expectations.suites.latency import latency_suite
from expectations.suites.leakage import leakage_suite
from expectations.suites.poisoning import poisoning_suite
from expectations.suites.production import production_suite
from expectations.suites.provenance import provenance_suite
from expectations.suites.quality import quality_suite
from expectations.suites.risk import risk_suite
from expectations.suites.robustness import robustness_suite
from expectations.suites.scenarios import scenarios_suite
from expectations.suites.slices import slices_suite
from expectations.suites.stability import stability_suite

SUITES: dict[str, Callable[[ReleaseSpec, list[str]], list[Expectation]]] = {
    "data": data_suite,
    "conversion": conversion_suite,
    "package": conversion_suite,
    "quality": quality_suite,
    "guards": guards_suite,
    "latency": latency_suite,
    "comparison": comparison_suite,
    "compression": compression_suite,
    "scenarios": scenarios_suite,
    "stability": stability_suite,
    "slices": slices_suite,
    "fairness": fairness_suite,
    "explanations": explanations_suite,
    "calibration": calibration_suite,
    "robustness": robustness_suite,
    "gaming": gaming_suite,
    "poisoning": poisoning_suite,
    "leakage": leakage_suite,
    "production": production_suite,
    "provenance": provenance_suite,
    "costs": costs_suite,
    "interactions": interactions_suite,
    "risk": risk_suite,
    "requests": cause_suite,
    "new_rows": cause_suite,
    "echo": echo_suite,
}


def suite_of(step: str, spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """What a step's evidence is held against; `metrics` are the names that it measured."""
    return SUITES[step](spec, metrics)
