"""Which of two squares stands left? Three recipes, three seeds, and when each learns to obey.

python -m minisd.course.sides datasets/training/sides.json

Notebook 07 runs the first steps of two of these itself, and shows this table for the rest.
"""

import argparse
import json
from pathlib import Path

from ..checkpoint import writing
from .bank.n07_conditioned_latent_unet.left_right import PLANNED, RECIPES, train

LOOK_EVERY, SEEDS = 50, range(3)


def main():
    """Train each recipe with each seed and write the milestones."""
    parser = argparse.ArgumentParser(prog="python -m minisd.course.sides", description=__doc__)
    parser.add_argument("path", type=Path, help="usually datasets/training/sides.json")
    parser.add_argument("--steps", type=int, default=PLANNED, help=f"of training ({PLANNED})")
    parser.add_argument("--seeds", type=int, nargs="+", default=[*SEEDS], help="0 to 2")
    arguments = parser.parse_args()
    runs = {}
    for name, recipe in RECIPES.items():
        runs[name] = {}
        for seed in arguments.seeds:
            looks = list(train(*recipe, seed, arguments.steps, LOOK_EVERY))
            runs[name][str(seed)] = {
                "step": [look.step for look in looks],
                "obeys sentence": [round(look.obeys_sentence, 4) for look in looks],
                "obeys noise": [round(look.obeys_noise, 4) for look in looks],
            }
            print(f"{name}, seed {seed}: {runs[name][str(seed)]['obeys sentence']}", flush=True)
    table = {
        "made by": "python -m minisd.course.sides datasets/training/sides.json",
        "what": "share of 256 pictures that stand as their sentence says, and as their noise leans",
        "runs": runs,
    }
    with writing(arguments.path) as temporary:
        temporary.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
