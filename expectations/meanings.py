"""What a metric's name means, and what to do where it does not hold: for those who read a dossier."""

from dataclasses import dataclass

MEND = "Mend the model or its data; the dossier shows the records behind this."


@dataclass(frozen=True)
class Meaning:
    """`says` is the figure in words, with `{of}` for what stands behind the colon of its name; `do` is what to do."""

    says: str
    do: str = MEND


GUARDS = "Set the guards tighter (guards.budgets, guards.plausible), or train on such records."
OTHERS = "Take members of other kinds, or with other columns (docs/ensembles.md)."
GROUPS = "Gather more records of these groups, or say in the spec which groups are meant."
LABELS = "Look at the suspects in the dossier; correct their labels or leave them out."
HARD = (
    "Look whether it is badly served or simply hard: without probabilities nobody can tell. Take a model that has them."
)
DRIFT = "Find out what changed at the source; train on recent data if the world did."
UPSTREAM = "Ask whoever fills this column what changed there, and mend it: trained anew, the model would learn it."
LOOP = (
    "Ask whether the answers decided what became of these records; bring truths of some that were refused, by chance."
)
MEMBERS = "Regularise the model (larger leaves, fewer rounds), or give callers labels only (serving.outputs)."
ALLOW = "Use another, or allow its licence (checks.provenance.licences) after somebody looked at it."
KEEP = "Keep the champion, or mend what the costliest records of the dossier have in common."
MAINTAINERS = "A name or a licence is written as no tool reads it; the facts of provenance say which."

# By the name, or by what stands before its colon.
MEANINGS = {
    # Data
    "rows": Meaning("rows of data", "Gather more rows, or take a lower tier if the risk allows it."),
    "missing_columns": Meaning("columns that the reference has and this data lacks", DRIFT),
    "changed_types": Meaning("columns whose type changed", DRIFT),
    "empty_columns": Meaning("columns without any value", DRIFT),
    "nulls": Meaning("rows without {of}", "A row without its target teaches and tests nothing: leave it out."),
    "duplicate_rows": Meaning("share of rows that are there twice"),
    "null_growth": Meaning("share of rows that lack {of}, beyond the reference's", DRIFT),
    "out_of_range": Meaning("share of values of {of} outside the reference's range", DRIFT),
    "unknown_categories": Meaning("share of values of {of} that the reference never held", DRIFT),
    "drift": Meaning("distance between {of} here and in the reference, 0 to 1", DRIFT),
    # What is new, before a model is trained anew
    "gone": Meaning("share of {of} that is surely missing, beyond training's", UPSTREAM),
    "unreadable": Meaning("share of {of} that surely is no number", UPSTREAM),
    "never_seen": Meaning("share of {of} that training surely never held", UPSTREAM),
    "respelled": Meaning("share of {of} that is surely the same as training's, written otherwise", UPSTREAM),
    "unit_changed": Meaning("distance of {of} from training's that a change of its unit explains", UPSTREAM),
    "codes_moved": Meaning("share of {of} that surely is a code which became one more or one less", UPSTREAM),
    "lookup": Meaning("share of answers whose look-up is surely {of}", UPSTREAM),
    "scored_before": Meaning("share of the new rows that the model surely was asked about before", LOOP),
    "label_gap": Meaning("how much more often a truth surely comes of one kind of answer than of another", LOOP),
    # Conversion, guards, latency
    "label_mismatches": Meaning("rows that estimator and package label differently"),
    "max_difference": Meaning("largest difference between estimator and package"),
    "golden_mismatches": Meaning("golden records that the package answers differently"),
    "over_budget": Meaning("share of usual records that the guard {of} surely refuses beyond its budget", GUARDS),
    "coverage_shortfall": Meaning("by how much intervals or sets surely hold the truth too seldom {of}", GUARDS),
    "worse_with_rejections": Meaning(
        "by how much answers are surely worse once the rejected ones are left out", GUARDS
    ),
    # Ensembles
    "member_mismatches": Meaning("rows that the estimator of the member {of} and the package label differently"),
    "member_max_difference": Meaning("largest difference between the estimator of the member {of} and the package"),
    "disagreement_max_difference": Meaning("largest difference between the disagreement of estimators and package"),
    "copied_members": Meaning("pairs of members that are copies of each other", OTHERS),
    "copies": Meaning("pairs of copies: {of}", OTHERS),
    "members_alike": Meaning("pairs of members that are not different: made alike but for a seed", OTHERS),
    "alike": Meaning("pairs of members that are not different: {of}", OTHERS),
    "members_cannot_object": Meaning(
        "guards of disagreement whose limit no vote of these members exceeds", "Set guards.disagreement below it."
    ),
    "worse_than_best_member": Meaning(
        "share of the best member's loss that the vote surely adds", "Take that member alone, or give it more weight."
    ),
    "disagreement_misleads": Meaning("by how much disagreement surely finds errors more seldom than chance", OTHERS),
    "speedup_single": Meaning("times that the package is faster than the estimator, for one record"),
    "speedup_batch": Meaning("times that the package is faster than the estimator, for a batch"),
    # Quality and comparison
    "improvement_over_baseline": Meaning("share of guessing's loss that the model saves"),
    "improvement": Meaning("share of the champion's loss that the challenger saves"),
    "surely_better": Meaning(
        "not better than what serves, unless it surely saves a share of the champion's loss that is",
        "Keep the champion: there is no reason to change what serves.",
    ),
    "lead_over_simple_baseline": Meaning("skill beyond that of a simple model", "Take the simple model."),
    # Scenarios
    "crashes": Meaning("batches that the package did not answer", "Mend the model: the dossier shows the batch."),
    "empty_batch_crashes": Meaning("batches without records that the package did not answer"),
    "nan_trusted": Meaning("answers that are no number and yet marked as trusted", GUARDS),
    "implausible_trusted": Meaning("answers outside the plausible range and yet marked as trusted", GUARDS),
    "beyond_trusted": Meaning("records far beyond what training saw and yet trusted", GUARDS),
    "unseen_missing_trusted": Meaning("records with gaps that training never saw and yet trusted", GUARDS),
    "unknown_trusted": Meaning("records with values that nobody knows and yet trusted", GUARDS),
    "batch_differences": Meaning("records answered differently alone than in a batch"),
    "sure_swapped": Meaning(
        "share of records with {of} in a wrong unit that are surely trusted and answered wrongly", GUARDS
    ),
    "scenario": Meaning("share of the records of the scenario {of} that came out as declared"),
    # Stability
    "columns_changed": Meaning("columns that could be changed slightly"),
    "sure_flips": Meaning(
        "share of decisions that a slight change of {of} surely turns",
        "Smooth the model in this column, or leave it out.",
    ),
    "sure_jumps": Meaning(
        "share of answers that a slight change of {of} surely moves by much",
        "Smooth the model in this column, or leave it out.",
    ),
    "sure_violations": Meaning(
        "share of records where the claim that {of} is monotone surely fails",
        "Train with a monotone constraint, or drop the claim.",
    ),
    "sure_decay_per_month": Meaning(
        "growth of the package's loss that is sure, a month, as a share",
        "Plan retraining, or prefer the steadier model.",
    ),
    "sure_refit_decay_per_month": Meaning(
        "growth of refits' loss that is sure, a month, as a share", "Plan retraining, or prefer the steadier model."
    ),
    "sure_faster_than_simple": Meaning(
        "decay a month that is surely faster than a simple model's",
        "Prefer the steadier model where the world changes.",
    ),
    # Slices, fairness, calibration
    "slice_excess_at_least": Meaning(
        "by how much the slice {of} is surely worse than records with like answers, in deviations of the loss",
        "Gather more records of it, or say in the spec that the model is not for it.",
    ),
    "found_slice_excess_at_least": Meaning(
        "by how much {of} is surely worse than records with like answers, in deviations of the loss",
        "Gather more records of it, or say in the spec that the model is not for it.",
    ),
    "worst_slice_excess_at_least": Meaning(
        "by how much the worst slice is surely worse than records with like answers, in deviations of the loss"
    ),
    "worst_slice_difference_at_least": Meaning(
        "by how much the worst slice is surely worse than the rest, in deviations of the loss", HARD
    ),
    "found_slice_difference_at_least": Meaning(
        "by how much {of} is surely worse than the rest, in deviations of the loss", HARD
    ),
    "gap_at_least": Meaning(
        "by how much groups are surely apart: {of}",
        "Find out why: labels, samples or the model. Change the data, the threshold or the use.",
    ),
    "ratio_at_most": Meaning(
        "the least group's rate beside the greatest's, surely at most: {of}",
        "Find out why: labels, samples or the model. Change the data, the threshold or the use.",
    ),
    "proxy_auc_at_least": Meaning(
        "how well the other features surely tell {of} (0.5: not at all)",
        "Look whether the features that tell it are needed; leaving the column out protects nobody.",
    ),
    "groups_too_small": Meaning("groups with too few records to tell", GROUPS),
    "protected_attributes_or_reason": Meaning(
        "protected attributes named, or a reason why there are none",
        "Give columns the role protected, or say checks.fairness.none_because.",
    ),
    "calibration_error_at_least": Meaning(
        "by how much probabilities are surely off, on average", "Recalibrate the model (CalibratedClassifierCV)."
    ),
    "bias_at_least": Meaning(
        "by how much answers are surely off on average for {of}", "Recalibrate, or gather more records of this group."
    ),
    "surer_half_worse_by_at_least": Meaning("by how much the answers of which the model is surer are surely worse"),
    # Explanations, robustness, gaming
    "contributions_gap": Meaning("gap between contributions and the answers that they explain"),
    "surely_concentrated": Meaning(
        "share of all movement that surely hangs on one column", "Look whether this column holds the answer already."
    ),
    "surely_relies_on": Meaning(
        "share of all movement that surely hangs on {of}",
        "Leave the column out, or say in the risk answers why it is needed.",
    ),
    "surely_moved": Meaning(
        "share of importance that surely moved against the champion",
        "Find out what changed: data, preprocessing or the kind of model.",
    ),
    "surely_flipped_by_small_change": Meaning(
        "share of decisions that a small plausible change surely turns",
        "Smooth the model: larger leaves, fewer rounds, fewer features.",
    ),
    "surely_confident_flips": Meaning(
        "share of records answered with confidence that a small change surely turns",
        "Smooth the model: larger leaves, fewer rounds, fewer features.",
    ),
    "surely_turned_by": Meaning(
        "share of decisions surely turned by touching words ({of})",
        "Clean texts in the data source: look-alikes, unseen marks, spelling.",
    ),
    "surely_crosses_by_gaming": Meaning(
        "share of those without it who surely get {of}, and are trusted, by changing only what they control",
        "Leave out or bound the columns that people control, or check what they state.",
    ),
    "surely_crosses_unless_guarded": Meaning(
        "share of those without it who surely get {of} by changing only what they control, guards left aside",
        "See that whoever uses the answers heeds `trusted`, or bound the columns that people control.",
    ),
    "actor_controlled_columns": Meaning(
        "columns that those concerned control",
        "Give columns the role actor_controlled, or say checks.gaming.none_because.",
    ),
    # Poisoning, leakage, production
    "surely_contradicted_where_surest": Meaning(
        "share of labels that are surely wrong where the others are surest", LABELS
    ),
    "surely_more_suspect": Meaning("by how much more labels of the source {of} are surely suspect", LABELS),
    "surely_better_without": Meaning(
        "share of the loss that surely goes without the source {of}",
        "Leave the source out, or find out what is wrong with it.",
    ),
    "records_inside_the_model": Meaning(
        "share of training records that lie in the model as they are", "Take a model that keeps no records."
    ),
    "surely_by_heart": Meaning("share of training records surely known by heart", MEMBERS),
    "surely_membership_auc": Meaning(
        "how well members of the training data can surely be told (0.5: not at all)", MEMBERS
    ),
    "surely_membership_caught_at_1pct": Meaning(
        "share of members surely caught with 1 % of others taken for one", MEMBERS
    ),
    "surely_copied": Meaning(
        "how well a copy surely answers as the model does: {of}",
        "Give callers labels only or rounded answers (serving), and fewer of them.",
    ),
    "surely_too_good": Meaning(
        "how well {of} alone surely tells the answer",
        "Find out whether it is known before the answer is; else leave it out.",
    ),
    "surely_alone_of_gaps": Meaning(
        "how well missing cells alone surely tell the answer", "Find out who leaves them empty, and when."
    ),
    "surely_duplicates": Meaning(
        "share of test rows that are surely in training too", "Split by a group (data.split.group), or drop the copies."
    ),
    "surely_near_duplicates": Meaning(
        "share of test rows that are surely in training nearly alike", "Split by a group (data.split.group)."
    ),
    "surely_key_on_both_sides": Meaning(
        "share of test rows whose {of} is surely in training too", "Name it: data.split.group."
    ),
    "surely_later_than_event": Meaning(
        "share of rows whose {of} is surely later than the event", "Take the value as it was known then (data.joins)."
    ),
    "surely_told_apart": Meaning("how well production can surely be told from training (0.5: not at all)", DRIFT),
    "surely_drifted": Meaning("distance between {of} in production and in training, surely at least", DRIFT),
    "surely_never_seen": Meaning("share of production's {of} that training surely never saw", DRIFT),
    "surely_more_missing": Meaning("share of production that surely lacks {of}, beyond training's", DRIFT),
    # Provenance
    "unknown_origin": Meaning(
        "sources and assets that come from nobody knows where", "Say it: origin in data.sources or the assets."
    ),
    "unknown_licence": Meaning(
        "sources and assets without a licence that is known", "Say its SPDX id; LicenseRef-own for one's own data."
    ),
    "licence_not_allowed": Meaning("sources and assets that may not be used", ALLOW),
    "asset_missing": Meaning(
        "assets that are not where the spec says", "Put the file there, or take it out of the spec."
    ),
    "package_denied": Meaning(
        "installed packages that the spec forbids", "Remove it, or take another version (checks.provenance)."
    ),
    "package_licence_not_allowed": Meaning("packages in use that may not be used", ALLOW),
    "package_licence_unknown": Meaning(
        "packages in use that do not say their licence",
        "Read its files and say it: checks.provenance.package_licences.",
    ),
    "package_departs_from_lock": Meaning(
        "packages that are not what the lock file says", "Install what the lock pins, or lock what was tested."
    ),
    "bom_problems": Meaning("what the schema of CycloneDX 1.6 has against the bill of materials", MAINTAINERS),
    # Costs
    "saved_over_guessing": Meaning(
        "what a record's errors cost less than those of the cheapest answer for all",
        "Set the model's threshold for these costs, or mend the model: one answer for all is cheaper.",
    ),
    "surely_costlier_than_champion": Meaning("by which share errors surely cost more than the champion's", KEEP),
    "surely_longer_tail_than_champion": Meaning("the same of the costliest 1 % of records", KEEP),
    "running_over_champion": Meaning("times the processor time of the champion's predictions", KEEP),
    "memory_mb": Meaning("megabytes that the package needs", "Raise serving.memory_mb, or take a smaller model."),
    # Interactions
    "downstream": Meaning(
        "what {of} gains by the new outputs, plus the margin of its own spec, as a share of its loss",
        "Keep the meaning of the outputs, or release that model on them first; only its owner can waive this.",
    ),
    "confirmed": Meaning(
        "share of rows on which {of} is what the declared model answered",
        "Say in data.upstream which release gave the answers and from which inputs, or take them anew.",
    ),
    "undeclared": Meaning(
        "share of rows on which a column is a model's answer: {of}",
        "Declare it in data.upstream, or put it under data.ignore.",
    ),
    "undeclared_columns": Meaning("columns that are another model's answers, and not declared"),
    # Risk
    "own_words": Meaning(
        "words of the team's own in the answer on {of}",
        "Answer in risk.answers: what can happen, to whom, how bad is it? `seatrial tiers SPEC` shows the questions.",
    ),
}


def meaning_of(metric: str) -> Meaning | None:
    """A metric's meaning with its subject in it; None of one that nobody described, such as a spec's own."""
    family, _, of = metric.partition(":")
    known = MEANINGS.get(family)
    return known and Meaning(known.says.replace(" {of}", f" {of}" if of else "").replace("({of})", f"({of})"), known.do)
