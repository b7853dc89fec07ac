"""07.BasicTransformerBlock: pixels among themselves, then the prompt, then each pixel alone."""

import torch

from ....attention import BasicTransformerBlock
from ...exercise import Exercise
from ..n04_unet.weights import hooked, randomize, silence
from .transformer_block_mistakes import MISTAKES


def cases(generator):
    """((dim, heads, context_dim), pixels, prompt), with L = S, D = context_dim, B = L in one."""

    def case(D, K, Dc, B, L, S):
        hidden = torch.randn(B, L, D, generator=generator)
        return (D, K, Dc), hidden, 0.5 + 1.5 * torch.randn(B, S, Dc, generator=generator)

    return {
        "example": case(8, 2, 6, 2, 5, 3),
        "batch 1": case(6, 3, 4, 1, 4, 7),
        "one word": case(4, 1, 6, 3, 6, 1),
        "B = L = S, and widths alike": case(6, 2, 6, 3, 3, 3),
        "one pixel": case(8, 4, 5, 2, 1, 4),
    }


def run(block_class, config, hidden, context):
    """Build the block, give it weights that every answer gets, and ask it."""
    return randomize(block_class(*config))(hidden, context)


def _example(block_class, seed=0, B=3, L=6, S=4):
    generator = torch.Generator().manual_seed(seed)
    block = randomize(block_class(8, 2, 6), seed)
    hidden = torch.randn(B, L, 8, generator=generator)
    return block, hidden, torch.randn(B, S, 6, generator=generator)


def _close(a, b, tolerance=1e-4):
    return a.shape == b.shape and bool((a - b).abs().max() < tolerance)


@torch.no_grad()
def silent_branches_pass_on(block_class):
    """Let all three branches say nothing (their last layers are zero), and the block should pass
    its input on untouched. Yours does not.
    """
    block, hidden, context = _example(block_class)
    for layer in (block.attn1.to_out[0], block.attn2.to_out[0], block.ff.net[2]):
        for parameter in layer.parameters():
            parameter.zero_()
    return _close(block(hidden, context), hidden)


@torch.no_grad()
def another_prompt_another_output(block_class):
    """Another prompt gives the same output: the words do not arrive."""
    block, hidden, context = _example(block_class, 1)
    return not _close(block(hidden, context), block(hidden, context.flip(-1)), 1e-3)


@torch.no_grad()
def pictures_keep_their_own_prompt(block_class):
    """Change the prompt of one picture, and only that picture should change. In your block the
    company matters.
    """
    block, hidden, context = _example(block_class, 2)
    alone = [block(hidden[i : i + 1], context[i : i + 1]) for i in range(3)]
    return _close(block(hidden, context), torch.cat(alone))


@torch.no_grad()
def words_may_be_shuffled(block_class):
    """Shuffle the vectors of a prompt, and the output should stay: each vector carries its place in
    the sentence already. Yours depends on the order in which they are handed over.
    """
    block, hidden, context = _example(block_class, 3)
    return _close(block(hidden, context), block(hidden, context[:, [2, 0, 3, 1]]))


@torch.no_grad()
def pixels_may_be_shuffled(block_class):
    """Shuffle the pixels, and the output should be shuffled alike. Yours is not."""
    block, hidden, context = _example(block_class, 4)
    order = [5, 2, 0, 4, 1, 3]
    return _close(block(hidden[:, order], context), block(hidden, context)[:, order])


@torch.no_grad()
def prompt_is_used_as_it_comes(block_class):
    """A prompt whose vectors are twice as long gives the same output, or almost: something brings
    them back to one length on the way. They should be used as they come.
    """
    block, hidden, context = _example(block_class, 5)
    return not _close(block(hidden, context), block(hidden, 2 * context), 1e-3)


@torch.no_grad()
def pixels_ask_for_themselves(block_class):
    """With cross-attention alone, different pixels should fetch different things from one prompt.
    In yours all pixels fetch the same.
    """
    block, hidden, context = _example(block_class, 6)
    with hooked({block.attn1: silence, block.ff: silence}):
        fetched = block(hidden, 2 * context) - hidden
    return bool(fetched.std(dim=1).max() > 1e-3)


def _stages(block, hidden, context):
    """What the stream should hold before the prompt is asked, before the last branch, at the end,
    by the block's own parts."""
    asked = hidden + block.attn1(block.norm1(hidden))
    told = asked + block.attn2(block.norm2(asked), context)
    return asked, told, told + block.ff(block.norm3(told))


@torch.no_grad()
def each_branch_acts_alone(block_class):
    """Silence two of the three branches: the third should still add what it has to say. One of
    yours adds nothing.
    """
    block, hidden, context = _example(block_class, 7)
    branches = (block.attn1, block.attn2, block.ff)
    for speaking in branches:
        with hooked({branch: silence for branch in branches if branch is not speaking}):
            if _close(block(hidden, context), hidden, 1e-3):
                return False
    return True


def _reads(block, part, arguments, silenced=()):
    """What a part is given first during one call of the block."""
    read = []
    hook = part.register_forward_pre_hook(lambda part, inputs: read.append(inputs[0]))
    with hooked(dict.fromkeys(silenced, silence)):
        block(*arguments)
    hook.remove()
    return read[0] if len(read) == 1 else torch.empty(0)


@torch.no_grad()
def first_branch_is_self_attention(block_class):
    """`attn1` should read `norm1` of the input and nothing that the prompt has said: first the
    pixels talk among themselves. Yours reads something else, or is asked more than once.
    """
    block, hidden, context = _example(block_class, 8)
    return _close(_reads(block, block.attn1, (hidden, context)), block.norm1(hidden))


@torch.no_grad()
def second_branch_reads_what_the_first_added(block_class):
    """`attn2` should read `norm2` of the stream, the first branch's words included. Yours reads
    something else.
    """
    block, hidden, context = _example(block_class, 9)
    asked, _, _ = _stages(block, hidden, context)
    return _close(_reads(block, block.attn2, (hidden, context)), block.norm2(asked))


@torch.no_grad()
def third_branch_reads_what_both_added(block_class):
    """`ff` should read `norm3` of the stream, what both attentions added included. Yours reads
    something else.
    """
    block, hidden, context = _example(block_class, 10)
    _, told, _ = _stages(block, hidden, context)
    return _close(_reads(block, block.ff, (hidden, context)), block.norm3(told))


@torch.no_grad()
def branches_are_added(block_class):
    """What a branch says should be added to the stream as it is: nothing scaled, nothing dropped,
    nothing else put on top. Your sum is another.
    """
    block, hidden, context = _example(block_class, 11)
    return _close(block(hidden, context), _stages(block, hidden, context)[-1])


EXERCISE = Exercise(
    "07.BasicTransformerBlock",
    "Where words meet pixels",
    2,
    15,
    3,
    BasicTransformerBlock,
    cases,
    laws=(
        silent_branches_pass_on,
        another_prompt_another_output,
        pictures_keep_their_own_prompt,
        each_branch_acts_alone,
        words_may_be_shuffled,
        pixels_may_be_shuffled,
        pixels_ask_for_themselves,
        prompt_is_used_as_it_comes,
        first_branch_is_self_attention,
        second_branch_reads_what_the_first_added,
        third_branch_reads_what_both_added,
        branches_are_added,
    ),
    mistakes=MISTAKES,
    run=run,
    atol=1e-4,
)
