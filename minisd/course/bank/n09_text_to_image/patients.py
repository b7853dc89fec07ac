"""Who is ill with what. Whoever reads on has the answers to exercise 9.6."""

CAUSES = (
    "latent scale of another model",
    "halves of guidance exchanged",
    "guidance far too large",
    "last step back into noise",
    "prompt cut short",
    "decoder hardly trained",
    "one noise for all pictures",
    "too few steps",  # nobody's
    "training pictures learned by heart",  # nobody's
)
EXPERIMENTS = ("guidance", "steps", "reconstruction", "last words")
ORDER = (4, 2, 6, 0, 5, 3, 1)  # drawn once
PATIENTS = {f"patient {i + 1}": CAUSES[cause] for i, cause in enumerate(ORDER)}

# The experiments that part each cause from what it is usually taken for; the first is the best.
TELLING = {
    "latent scale of another model": ("guidance", "reconstruction"),
    "halves of guidance exchanged": ("guidance",),
    "guidance far too large": ("guidance",),
    "last step back into noise": ("steps", "reconstruction"),
    "prompt cut short": ("last words",),
    "decoder hardly trained": ("reconstruction",),
    "one noise for all pictures": ("guidance",),
}
