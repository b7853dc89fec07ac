"""06.EncoderLayer: one layer of the text encoder. The laws that every right answer keeps."""

import torch

from ....attention import scaled_dot_product_attention
from ...exercise import Exercise
from ..n01_attention.weights import fill, set_projection
from . import encoder_mistakes as wrong
from .layer import EncoderLayer


def cases(generator):
    """(width, heads, MLP width), hidden"""

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    return {
        "example": ((8, 2, 16), draw(2, 5, 8)),
        "batch 1": ((8, 2, 16), draw(1, 4, 8)),
        "one token": ((6, 3, 12), draw(2, 1, 6)),
        "one head": ((6, 1, 10), draw(3, 4, 6)),
        "B = S = K": ((8, 4, 8), draw(4, 4, 8)),
        "as wide as long": ((8, 2, 32), draw(2, 8, 8)),
    }


def run(answer, config, hidden):
    """Build the answer's module, fill it with known weights, and call it."""
    return fill(answer(*config), hidden)(hidden)


def example(answer, S=5, dim=8, num_heads=2):
    """A module of random weights, and the states of two prompts."""
    hidden = torch.randn(2, S, dim, generator=torch.Generator().manual_seed(S))
    return fill(answer(dim, num_heads, 2 * dim), hidden), hidden


def close(left, right):
    """Equal but for rounding."""
    return torch.allclose(left, right, rtol=1e-4, atol=1e-5)


def attention_silenced(module):
    """Let nothing of the attention come out, so that the MLP is seen alone."""
    set_projection(module.self_attn["out_proj"])
    return module


def mlp_silenced(module):
    """The same for the MLP."""
    set_projection(module.mlp["fc2"])
    return module


def names_of_the_weights(mine):
    """The layers have other names or shapes than the statement's, so that saved weights would not
    fit.
    """
    shapes = {name: tuple(weight.shape) for name, weight in mine(8, 2, 20).state_dict().items()}
    expected = EncoderLayer(8, 2, 20).state_dict()
    return shapes == {name: tuple(weight.shape) for name, weight in expected.items()}


def shape_is_kept(mine):
    """The result should have the shape of what came in, for one token as well, and no nan."""
    results = [module(hidden) for module, hidden in (example(mine, S) for S in (1, 5))]
    return all(x.shape == (2, S, 8) and x.isfinite().all() for x, S in zip(results, (1, 5)))


def nothing_is_heard_from_later(mine):
    """Change a token: the results of earlier places change. They should not know what follows."""
    module, hidden = example(mine)
    other = hidden.clone()
    other[:, 3] = torch.randn(2, 8, generator=torch.Generator().manual_seed(9))
    return close(module(hidden)[:, :3], module(other)[:, :3])


def everything_is_heard_from_before(mine):
    """Change a token: its own result and all later ones should change, and one of them does not."""
    module, hidden = example(mine)
    other = hidden.clone()
    other[:, 1] = torch.randn(2, 8, generator=torch.Generator().manual_seed(9))
    change = (module(hidden) - module(other)).abs().amax(dim=-1)
    return bool((change[:, 1:] > 1e-5).all())


def silent_branches_change_nothing(mine):
    """With the last projection of the attention and of the MLP at zero, the input should pass
    untouched.
    """
    module, hidden = example(mine)
    return close(attention_silenced(mlp_silenced(module))(hidden), hidden)


def each_branch_acts_alone(mine):
    """Silence one of the two branches: the other one should still change the input."""
    module, hidden = example(mine)
    attending = mlp_silenced(module)(hidden)
    module, _ = example(mine)
    thinking = attention_silenced(module)(hidden)
    changes = [(x - hidden).abs().max() for x in (attending, thinking)]
    return min(changes) > 1e-3 and not close(attending, thinking)


def thinking_is_alone(mine):
    """With the attention silent, each token should be left to itself: change one, and another's
    result changes.
    """
    module, hidden = example(mine)
    module = attention_silenced(module)
    other = torch.cat([hidden[:, :2] + torch.rand(2, 2, 8), hidden[:, 2:]], dim=1)
    return close(module(hidden)[:, 2:], module(other)[:, 2:])


def each_branch_has_its_norm(mine):
    """Each branch should begin with its own norm: change the weights of one norm, and exactly the
    branch behind it should change.
    """
    for norm, silence, keeps in (
        ("layer_norm1", attention_silenced, True),
        ("layer_norm2", attention_silenced, False),
        ("layer_norm1", mlp_silenced, False),
        ("layer_norm2", mlp_silenced, True),
    ):
        module, hidden = example(mine)
        before = silence(module)(hidden)
        with torch.no_grad():
            getattr(module, norm).bias.mul_(-3)
        if close(before, module(hidden)) != keeps:
            return False
    return True


def bend_is_the_fast_one(mine):
    """Between its two layers the MLP should bend a number x into x * sigmoid(1.702 x). With layers
    that only pass numbers on, another bend shows.
    """
    module, hidden = example(mine)
    module = attention_silenced(module)
    for name in ("fc1", "fc2"):
        set_projection(module.mlp[name], 1.0)
    x = module.layer_norm2(hidden)
    return close(module(hidden), hidden + x * torch.sigmoid(1.702 * x))


def one_head_is_plain_attention(mine):
    """With one head the first branch should be plain attention between the four projections, each
    token looking at itself and those before it.
    """
    module, hidden = example(mine, num_heads=1)
    x, parts = module.layer_norm1(hidden), module.self_attn
    q, k, v = (parts[name](x) for name in ("q_proj", "k_proj", "v_proj"))
    seen = torch.ones(5, 5).tril().bool()
    out = parts["out_proj"](scaled_dot_product_attention(q, k, v, seen))
    return close(mlp_silenced(module)(hidden), hidden + out)


def every_head_has_its_block(mine):
    """Each head should be plain attention of its own E = D / K neighboring channels; with a last
    projection that changes nothing, some head's channels hold something else.
    """
    module, hidden = example(mine)
    parts = module.self_attn
    set_projection(parts["out_proj"], 1.0)
    out, x = mlp_silenced(module)(hidden) - hidden, module.layer_norm1(hidden)
    q, k, v = (parts[name](x) for name in ("q_proj", "k_proj", "v_proj"))
    seen = torch.ones(5, 5).tril().bool()
    heads = [
        scaled_dot_product_attention(q[..., block], k[..., block], v[..., block], seen)
        for block in (slice(0, 4), slice(4, 8))
    ]
    return close(out, torch.cat(heads, dim=-1))


def thinking_follows_looking(mine):
    """The MLP should think about what the attention found: one branch after the other."""
    module, hidden = example(mine)
    looked = mlp_silenced(example(mine)[0])(hidden)
    return close(module(hidden), attention_silenced(example(mine)[0])(looked))


EXERCISE = Exercise(
    "06.EncoderLayer",
    "One layer of the text encoder",
    stars=2,
    minutes=15,
    points=3,
    reference=EncoderLayer,
    cases=cases,
    laws=(
        names_of_the_weights, shape_is_kept, nothing_is_heard_from_later,
        everything_is_heard_from_before, silent_branches_change_nothing, each_branch_acts_alone,
        thinking_is_alone, each_branch_has_its_norm, bend_is_the_fast_one,
        one_head_is_plain_attention, every_head_has_its_block, thinking_follows_looking,
    ),
    mistakes=wrong.MISTAKES,
    run=run,
)  # fmt: skip
