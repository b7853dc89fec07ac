"""04.diagnose: what is wrong with these UNets? Each patient is a run that was really broken."""

from ...exercise import Exercise
from .patients import CAUSES, PATIENTS

# What a tutor says to one who takes the outer for the inner.
REPLIES = {
    "no time embedding": {
        "too few steps": "Its loss is as low as the healthy one's: it has learned as much. Yet "
        "some pictures keep their grain to the end, as if nobody had known how much to take off.",
        "noise added in the last step": "Such grain would be equally strong in every picture. Here "
        "some have much of it and some have none.",
        "trained on [0, 1], shown as [-1, 1]": "Pale it is, but black can be found, and a wrong "
        "scale would bring no grain.",
        "learning rate too high": "Its loss falls as calmly and as low as the healthy one's.",
    },
    "slow copy too slow": {
        "buffers averaged": "Compare the two losses of the slow copy: one has come to rest, and "
        "one is still on its way. Which is this?",
        "too few steps": "The raw weights draw well after the same number of steps. How old is the "
        "average that you look at?",
        "learning rate too high": "Then the raw weights would draw badly, too. They do not.",
    },
    "buffers averaged": {
        "slow copy too slow": "Waiting does not help here: the loss of the slow copy has come to "
        "rest, far above the other. What else lives in a state dict?",
        "alpha for alpha-bar in the sampler": "That sampler would spoil the pictures of the raw "
        "weights as well.",
        "noise added in the last step": "Then the raw weights' pictures would have the same grain, "
        "and they are clean.",
    },
    "trained on [0, 1], shown as [-1, 1]": {
        "too few steps": "Its loss is even lower than the healthy one's. Look for black in its "
        "pictures, and compare the brightness of a training batch.",
        "no time embedding": "Pale pictures are common to both. But here nothing is darker than "
        "gray, in any picture, and the loss lies below the healthy one.",
        "learning rate too high": "The loss falls calmly and the shapes are right. Only the "
        "brightness is not.",
    },
    "noise added in the last step": {
        "too few steps": "The grain is as strong in flat places as at edges, and the loss is "
        "healthy. When was it added?",
        "no time embedding": "A network that does not know the time takes off too much here and "
        "too little there. This grain is the same in every picture.",
    },
    "alpha for alpha-bar in the sampler": {
        "learning rate too high": "The loss is healthy. Training and sampling disagree: which of "
        "the two did the loss watch?",
        "slow copy too slow": "The raw weights draw as badly, and both losses are healthy: the "
        "weights are not to blame.",
        "buffers averaged": "The raw weights draw as badly, and both losses are healthy: the "
        "weights are not to blame.",
    },
    "skips not connected": {
        "too few steps": "Coarse things are right and fine ones are not, and the loss no longer "
        "falls as it should. Which road do fine things take?",
        "no time embedding": "Its loss lies above the healthy one; without the time it would "
        "hardly. And look at the edges: of what are they woven?",
    },
}

# And to one who takes it for anything else.
HINTS = {
    "no time embedding": "The loss is healthy, so look at the pictures of both kinds of weights. "
    "Is the grain the same in all of them?",
    "slow copy too slow": "Who draws badly: the raw weights, the slow copy, or both? And does the "
    "slow copy's loss stand still?",
    "buffers averaged": "Who draws badly: the raw weights, the slow copy, or both? And does the "
    "slow copy's loss stand still?",
    "trained on [0, 1], shown as [-1, 1]": "The shapes are fine. What is the darkest pixel that "
    "you can find?",
    "noise added in the last step": "The loss is healthy, so look at the pictures: how do they "
    "differ from healthy ones, and where in a picture?",
    "alpha for alpha-bar in the sampler": "Both losses are healthy, and both kinds of weights draw "
    "badly. Which part has the loss never seen?",
    "skips not connected": "The loss is too high: the network itself is ill. What survives in the "
    "pictures, color and place or edges?",
}


def diagnose(patient):
    """Name the cause of an illness, one of `CAUSES`, from the patient's losses and pictures."""
    return {
        "patient 1": "noise added in the last step",
        "patient 2": "no time embedding",
        "patient 3": "skips not connected",
        "patient 4": "buffers averaged",
        "patient 5": "alpha for alpha-bar in the sampler",
        "patient 6": "trained on [0, 1], shown as [-1, 1]",
        "patient 7": "slow copy too slow",
    }[patient]


def run(mine, patient):
    """Ask a function, or look it up in a dictionary {patient: cause}."""
    cause = mine.get(patient) if isinstance(mine, dict) else mine(patient)
    if cause is None:
        raise NotImplementedError(f"{patient} has no diagnosis yet")
    if not isinstance(cause, str):
        kind = type(cause).__name__
        raise TypeError(f"{patient} was given a {kind}: return one cause, as text, for one patient")
    if cause not in CAUSES:
        raise ValueError(f"{cause!r} is none of CAUSES: {', '.join(CAUSES)}")
    return cause


def cases(generator):
    """One case a patient."""
    first, *others = PATIENTS
    return {"example": (first,), **{patient: (patient,) for patient in others}}


def _tell_apart(patient, wrong):
    """(law, mistake): this patient is not taken for that, and an answer that takes it so."""
    true = PATIENTS[patient]
    sentence = f"{patient.capitalize()}: {REPLIES[true].get(wrong, HINTS[true])}"

    def law(mine):
        return run(mine, patient) != wrong

    def mistake(other):
        return wrong if other == patient else diagnose(other)

    name = "".join(c if c.isalnum() else "_" for c in f"{patient} as {wrong}")
    for function in (law, mistake):
        function.__doc__, function.__name__ = sentence, name
    return law, mistake


def shifted_by_one(patient):
    """Each of your diagnoses fits the next patient: where did you begin to count?"""
    patients = [*PATIENTS]
    return diagnose(patients[(patients.index(patient) + 1) % len(patients)])


PAIRS = [
    _tell_apart(patient, wrong)
    for patient, true in PATIENTS.items()
    for wrong in CAUSES
    if wrong != true
]

EXERCISE = Exercise(
    "04.diagnose",
    "Clinic: seven ill UNets",
    2,
    10,
    2,
    diagnose,
    cases,
    laws=tuple(law for law, _ in PAIRS),
    mistakes=(shifted_by_one, *(mistake for _, mistake in PAIRS)),
    run=run,
    needs_gradient=False,
)
