"""Who is ill with what. Whoever reads on has the answers to exercise 4.6."""

CAUSES = (
    "no time embedding",
    "slow copy too slow",
    "buffers averaged",
    "trained on [0, 1], shown as [-1, 1]",
    "noise added in the last step",
    "alpha for alpha-bar in the sampler",
    "skips not connected",
    "learning rate too high",  # nobody's
    "too few steps",  # nobody's
)
ORDER = (4, 0, 6, 2, 5, 3, 1)  # drawn once
PATIENTS = {f"patient {i + 1}": CAUSES[cause] for i, cause in enumerate(ORDER)}
