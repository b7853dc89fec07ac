"""09.diagnose: what is wrong with these pipelines? Each patient was really broken."""

from ...exercise import Exercise
from .patients import CAUSES, EXPERIMENTS, PATIENTS, TELLING
from .replies import HINTS, NOT_TELLING, REPLIES


def diagnose(patient):
    """Name the cause, one of `CAUSES`, and the experiment to make first, one of `EXPERIMENTS`."""
    return {
        "patient 1": ("prompt cut short", "last words"),
        "patient 2": ("guidance far too large", "guidance"),
        "patient 3": ("one noise for all pictures", "guidance"),
        "patient 4": ("latent scale of another model", "guidance"),
        "patient 5": ("decoder hardly trained", "reconstruction"),
        "patient 6": ("last step back into noise", "steps"),
        "patient 7": ("halves of guidance exchanged", "guidance"),
    }[patient]


def run(mine, patient):
    """Ask a function, or look it up in a dictionary {patient: (cause, experiment)}.

    Where two experiments tell equally well, both count as the first of them.
    """
    answer = mine.get(patient) if isinstance(mine, dict) else mine(patient)
    if answer is None:
        raise NotImplementedError(f"{patient} has no diagnosis yet")
    if isinstance(answer, str) or len(answer) != 2:
        raise ValueError(f"expected a cause and an experiment for {patient}, got {answer!r}")
    cause, experiment = answer
    for given, known, what in ((cause, CAUSES, "CAUSES"), (experiment, EXPERIMENTS, "EXPERIMENTS")):
        if given not in known:
            raise ValueError(f"{given!r} is none of {what}: {', '.join(known)}")
    telling = TELLING[PATIENTS[patient]]
    return cause, telling[0] if experiment in telling else experiment


def cases(generator):
    """One case a patient."""
    first, *others = PATIENTS
    return {"example": (first,), **{patient: (patient,) for patient in others}}


def _named(function, name, sentence):
    function.__name__ = "".join(c if c.isalnum() else "_" for c in name)
    function.__doc__ = sentence
    return function


def _not_this_cause(patient, wrong):
    """(law, mistake): this patient is not taken for that, and an answer that takes it so."""
    true = PATIENTS[patient]
    sentence = f"{patient.capitalize()}: {REPLIES[true].get(wrong, HINTS[true])}"

    def law(mine):
        return run(mine, patient)[0] != wrong

    def mistake(other):
        cause, experiment = diagnose(other)
        return wrong if other == patient else cause, experiment

    name = f"{patient} as {wrong}"
    return _named(law, name, sentence), _named(mistake, name, sentence)


def _not_this_experiment(patient, wrong):
    """(law, mistake): the same for the experiment that is made first."""
    sentence = f"{patient.capitalize()}: {NOT_TELLING[wrong]}"

    def law(mine):
        return run(mine, patient)[1] != wrong

    def mistake(other):
        cause, experiment = diagnose(other)
        return cause, wrong if other == patient else experiment

    name = f"{patient} asked for {wrong}"
    return _named(law, name, sentence), _named(mistake, name, sentence)


def shifted_by_one(patient):
    """Each of your diagnoses fits the next patient: where did you begin to count?"""
    patients = [*PATIENTS]
    return diagnose(patients[(patients.index(patient) + 1) % len(patients)])


PAIRS = [
    _not_this_cause(patient, wrong)
    for patient, true in PATIENTS.items()
    for wrong in CAUSES
    if wrong != true
] + [
    _not_this_experiment(patient, wrong)
    for patient, true in PATIENTS.items()
    for wrong in EXPERIMENTS
    if wrong not in TELLING[true]
]

EXERCISE = Exercise(
    "09.diagnose",
    "Clinic: seven ill pipelines",
    3,
    20,
    4,
    diagnose,
    cases,
    laws=tuple(law for law, _ in PAIRS),
    mistakes=(shifted_by_one, *(mistake for _, mistake in PAIRS)),
    run=run,
    needs_gradient=False,
)
