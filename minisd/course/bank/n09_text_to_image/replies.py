"""What a tutor says in the clinic to one who takes a patient for another, or tests what is known.

Whoever reads on has the answers to exercise 9.6.
"""

REPLIES = {
    "latent scale of another model": {
        "guidance far too large": "Then a smaller guidance would heal it. At guidance 1 the "
        "colors are as glaring: one factor is wrong everywhere.",
        "decoder hardly trained": "The same decoder gives true pictures back without a fault. "
        "So it works, if it gets what it knows. What does it get here?",
        "too few steps": "The layout is finished and the edges are sharp enough; only the "
        "colors are far out of range.",
        "last step back into noise": "Things can be made out: the latents hold the right "
        "picture, but at another size of number.",
    },
    "halves of guidance exchanged": {
        "training pictures learned by heart": "Then the prompt would choose among the pictures. "
        "Here it is avoided. Try guidance 0: who obeys now?",
        "prompt cut short": "A prompt of two words is not obeyed either, and it has nothing to "
        "cut.",
        "guidance far too large": "Then a smaller one would obey better, step by step from "
        "above. Look at guidance 0 and 1: which of them obeys?",
        "too few steps": "The pictures are sharp and finished. They are of something else.",
    },
    "guidance far too large": {
        "latent scale of another model": "A wrong factor stays whatever the guidance is. At "
        "guidance 1 this patient is healthy.",
        "decoder hardly trained": "The reconstructions are fine: it is the latents that leave "
        "the range in which they were trained.",
        "too few steps": "More steps change little. What else is pushed too hard?",
    },
    "last step back into noise": {
        "too few steps": "Give it 50 in place of 20: as little is left of a picture as before. So "
        "look at the last step alone.",
        "decoder hardly trained": "The decoder gives true pictures back without a fault. "
        "Something happens to the latents before it gets them.",
        "latent scale of another model": "A wrong factor would leave the layout visible. Here "
        "nothing at all is left of it.",
    },
    "prompt cut short": {
        "too few steps": "What is drawn is sharp and finished. Something is not drawn at all.",
        "training pictures learned by heart": "It obeys the first words faithfully. Exchange "
        "the last ones: does anything change?",
        "halves of guidance exchanged": "Then it would flee from the prompt. Single objects "
        "come as asked; what is special about the prompts that fail?",
    },
    "decoder hardly trained": {
        "too few steps": "Look at the reconstructions: no step of the sampler was taken there, "
        "and they are as soft.",
        "guidance far too large": "A smaller guidance leaves it as soft, and the "
        "reconstructions, which know no guidance, are soft too.",
        "latent scale of another model": "Then its reconstructions would be right: what is "
        "multiplied in is divided out again. They are not right.",
    },
    "one noise for all pictures": {
        "training pictures learned by heart": "It obeys prompts that no training picture fits. "
        "And the four are equal to the last pixel: where do the pictures of one prompt differ "
        "at all?",
        "guidance far too large": "Large guidance takes variety away, but at guidance 1 it "
        "would come back. Here it does not.",
        "halves of guidance exchanged": "It obeys. What is missing is not in any single picture.",
    },
}

HINTS = {
    "latent scale of another model": "Make out what is right in its pictures before you say "
    "what is wrong: layout, shapes or colors?",
    "halves of guidance exchanged": "Each picture is a good one, of something else. At which "
    "guidance does it obey?",
    "guidance far too large": "Which of the switches heals it?",
    "last step back into noise": "Nothing is left of a picture. Which switch changes nothing?",
    "prompt cut short": "Compare the categories: what do the prompts that it obeys have in common?",
    "decoder hardly trained": "Does it matter here how the latents were made?",
    "one noise for all pictures": "Its scores are healthy. Compare the four pictures of one "
    "prompt.",
}

NOT_TELLING = {
    "guidance": "Before you turn the guidance: what would you expect of it for the two causes "
    "that you hesitate between? The same for both, so it tells nothing.",
    "steps": "More steps would look the same for the causes that you hesitate between. Choose "
    "what must come out differently.",
    "reconstruction": "A reconstruction uses encoder and decoder alone. Is there anything in "
    "the pictures that makes you doubt those two?",
    "last words": "This shows whether the end of a prompt is heard. Is there anything in the "
    "scores that makes you doubt it?",
}
