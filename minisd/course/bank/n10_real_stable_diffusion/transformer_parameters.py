"""10.transformer_parameters: the size of a block, from two numbers, before it is built."""

from ....attention import Transformer2DModel
from ...exercise import Exercise


def transformer_parameters(channels, context_dim):
    """Count the weights and biases of one Transformer2DModel without building it.

    `context_dim` is the width of a word's vector. Rombach et al. 2022, section 3.3.
    """

    def linear(inputs, outputs, bias=True):
        return inputs * outputs + bias * outputs

    C, D = channels, context_dim
    norms = 4 * 2 * C  # one before the block, three in it: a weight and a bias per channel
    projections = 2 * linear(C, C)  # proj_in and proj_out
    queries = linear(C, C, bias=False)
    self_attention = queries + 2 * linear(C, C, bias=False) + linear(C, C)
    cross_attention = queries + 2 * linear(D, C, bias=False) + linear(C, C)
    feed_forward = linear(C, 2 * 4 * C) + linear(4 * C, C)  # a value and its gate; then back
    return norms + projections + self_attention + cross_attention + feed_forward


def cases(generator):
    """Real sizes, small ones, and one where picture and words are equally wide."""
    return {
        "example": (320, 768),
        "the lowest level": (1280, 768),
        "Stable Diffusion 2": (320, 1024),
        "the shipped model": (96, 128),
        "words as wide as the picture": (64, 64),
        "one channel": (1, 1),
    }


def built(channels, context_dim):
    """Build the block and count."""
    block = Transformer2DModel(channels, 1, context_dim, num_groups=1)
    return sum(parameter.numel() for parameter in block.parameters())


def wider_words(mine):
    """Make the words' vectors one channel wider: in the whole block only the keys and the values of
    the cross-attention read them. Your count grows by something else than these two tables do.
    """
    growth = [mine(C, 9) - mine(C, 8) for C in (4, 6)]
    return growth == [built(C, 9) - built(C, 8) for C in (4, 6)]


def tables(mine):
    """Let the channels grow, and only the tables from channels to channels matter: yours are not as
    many, or not as wide, as those of the block. Go through its parts one by one, and ask of each
    linear layer how wide it is before and after.
    """

    def bend(count):  # what grows with the square of the channels
        return count(30, 8) - 2 * count(20, 8) + count(10, 8)

    return bend(mine) == bend(built)


def what_stands_beside_the_tables(mine):
    """The tables are right; what has only one number per channel is not: biases, and the weight and
    bias of each norm. Which layers have them, and which have none?
    """
    return mine(20, 8) - mine(10, 8) == built(20, 8) - built(10, 8)


def agrees_with_the_block(mine):
    """I built such a block and counted: it has another number of parameters."""
    return all(mine(*widths) == built(*widths) for widths in ((8, 12), (16, 4), (320, 768)))


def biases_on_queries_keys_and_values(channels, context_dim):
    """You give queries, keys and values a bias each. In Stable Diffusion's attention these six
    projections have none: `Attention(..., bias=False)`.
    """
    return transformer_parameters(channels, context_dim) + 6 * channels


def the_gate_forgotten(channels, context_dim):
    """The feed-forward's first layer makes two things of each token, a value and a gate of the same
    width. You count one of them.
    """
    return transformer_parameters(channels, context_dim) - 4 * channels * (channels + 1)


def keys_and_values_from_the_picture(channels, context_dim):
    """Your count does not ask how wide the words are: in the cross-attention, two of the four
    tables read the prompt and not the picture.
    """
    return transformer_parameters(channels, channels)


def keys_as_wide_as_the_words(channels, context_dim):
    """Keys and values read the words, but what comes out has to meet the queries, and the queries
    are as wide as the picture: those two tables are not square.
    """
    too_wide = 2 * context_dim * (context_dim - channels)
    return transformer_parameters(channels, context_dim) + too_wide


def norms_forgotten(channels, context_dim):
    """Eight numbers for every channel are missing: either the four norms, which have no table, but
    a weight and a bias for every channel; or the bias of the feed-forward's first layer.
    """
    return transformer_parameters(channels, context_dim) - 8 * channels


def the_first_norm_forgotten(channels, context_dim):
    """Two numbers for every channel are missing: either one of the four norms (the first stands
    where the picture is not yet a list of tokens), or the biases of two layers that have one.
    """
    return transformer_parameters(channels, context_dim) - 2 * channels


def norms_without_bias(channels, context_dim):
    """Four numbers for every channel are missing. Each of the four norms multiplies by a weight
    *and* adds a bias; and both projections and both attentions' last layers have a bias, too.
    """
    return transformer_parameters(channels, context_dim) - 4 * channels


def two_square_tables_missing(channels, context_dim):
    """Two square tables with their biases are missing: either `proj_in` and `proj_out` at the
    ends, or the last layer of each of the two attentions.
    """
    return transformer_parameters(channels, context_dim) - 2 * channels * (channels + 1)


def the_prompt_never_looked_at(channels, context_dim):
    """Only one attention is counted. The picture looks at itself, and then at the prompt."""
    missing = 2 * channels * channels + 2 * channels * context_dim + channels
    return transformer_parameters(channels, context_dim) - missing


def all_biases_forgotten(channels, context_dim):
    """You counted the tables and the norms, and left out every bias of a linear layer. Only
    queries, keys and values have none.
    """
    return transformer_parameters(channels, context_dim) - 13 * channels


EXERCISE = Exercise(
    "10.transformer_parameters",
    "Count a block before it is built",
    stars=2,
    minutes=10,
    points=2,
    reference=transformer_parameters,
    cases=cases,
    laws=(wider_words, tables, what_stands_beside_the_tables, agrees_with_the_block),
    mistakes=(
        biases_on_queries_keys_and_values,
        the_gate_forgotten,
        keys_and_values_from_the_picture,
        keys_as_wide_as_the_words,
        norms_forgotten,
        the_first_norm_forgotten,
        norms_without_bias,
        two_square_tables_missing,
        the_prompt_never_looked_at,
        all_biases_forgotten,
    ),
    needs_gradient=False,
)
