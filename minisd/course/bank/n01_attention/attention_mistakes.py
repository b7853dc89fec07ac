"""01.Attention: the mistakes that people make, and what a tutor says to each."""

import math

from einops import rearrange, reduce

from ....attention import Attention, scaled_dot_product_attention


def projected(layer, x, context):
    """Queries, keys and values before they are split into heads."""
    context = x if context is None else context
    return layer.to_q(x), layer.to_k(context), layer.to_v(context)


def split(y, num_heads):
    """Cut the width into heads, in blocks. (B, N, D) -> (B, K, N, E)"""
    return rearrange(y, "b n (k e) -> b k n e", k=num_heads)


def cut(y, num_heads):
    """What a reshape alone makes of it: the memory in its old order. (B, N, D) -> (B, K, N, E)"""
    batch, tokens, width = y.shape
    return y.reshape(batch, num_heads, tokens, width // num_heads)


def merge(heads):
    """Put the heads side by side. (B, K, L, E) -> (B, L, D)"""
    return rearrange(heads, "b k l e -> b l (k e)")


class split_by_reshape_alone(Attention):  # noqa: N801 (its name is said to the learner)
    """All shapes are right, yet each head holds pieces of several tokens: a reshape cuts the memory
    in its old order, it does not move an axis.
    """

    def forward(self, x, context=None):
        q, k, v = (cut(y, self.num_heads) for y in projected(self, x, context))
        return self.to_out(merge(scaled_dot_product_attention(q, k, v)))


class split_and_merged_by_reshape_alone(Attention):  # noqa: N801
    """No axis is moved at all, neither on the way into the heads nor on the way out: each head
    holds pieces of several tokens. First tokens by heads, then heads before tokens: those are two
    steps.
    """

    def forward(self, x, context=None):
        q, k, v = (cut(y, self.num_heads) for y in projected(self, x, context))
        return self.to_out(
            scaled_dot_product_attention(q, k, v).reshape(x.shape[0], x.shape[1], -1)
        )


class merged_by_reshape_alone(Attention):  # noqa: N801
    """After attention the heads lie before the tokens; flattening there mixes tokens. Move the axis
    back first.
    """

    def forward(self, x, context=None):
        q, k, v = (split(y, self.num_heads) for y in projected(self, x, context))
        return self.to_out(
            scaled_dot_product_attention(q, k, v).reshape(x.shape[0], x.shape[1], -1)
        )


class heads_interleaved(Attention):  # noqa: N801
    """Head k took every K-th channel instead of a block of neighbors. It would train, but nobody
    else's weights would fit.
    """

    def forward(self, x, context=None):
        q, k, v = (
            rearrange(y, "b n (e k) -> b k n e", k=self.num_heads)
            for y in projected(self, x, context)
        )
        heads = scaled_dot_product_attention(q, k, v)
        return self.to_out(rearrange(heads, "b k l e -> b l (e k)"))


class scaled_by_the_full_width(Attention):  # noqa: N801
    """The scores are divided by the root of the whole width; each head compares vectors of the
    width E = D / K only.
    """

    def forward(self, x, context=None):
        q, k, v = (split(y, self.num_heads) for y in projected(self, x, context))
        return self.to_out(merge(scaled_dot_product_attention(q / math.sqrt(self.num_heads), k, v)))


class not_scaled(Attention):  # noqa: N801
    """The scores are not divided by anything that depends on the width E = D / K of a head."""

    def forward(self, x, context=None):
        q, k, v = (split(y, self.num_heads) for y in projected(self, x, context))
        return self.to_out(merge(scaled_dot_product_attention(q * math.sqrt(q.shape[-1]), k, v)))


class number_taken_for_the_width(Attention):  # noqa: N801
    """You cut heads of the width `num_heads`, as many as fit. It is the number of heads that is
    given; their width is E = D / K.
    """

    def forward(self, x, context=None):
        many = x.shape[-1] // self.num_heads
        q, k, v = (split(y, many) for y in projected(self, x, context))
        return self.to_out(merge(scaled_dot_product_attention(q, k, v)))


class heads_averaged(Attention):  # noqa: N801
    """The heads were averaged: what each found is lost. They belong side by side."""

    def forward(self, x, context=None):
        q, k, v = (split(y, self.num_heads) for y in projected(self, x, context))
        mean = reduce(scaled_dot_product_attention(q, k, v), "b k l e -> b l e", "mean")
        return self.to_out(mean.repeat(1, 1, self.num_heads))


class one_head_instead_of_many(Attention):  # noqa: N801
    """It behaves as a single head, whatever K is. Every shape and every weight of a trained model
    would fit, and its pictures would be wrong.
    """

    def forward(self, x, context=None):
        return self.to_out(scaled_dot_product_attention(*projected(self, x, context)))


class last_projection_forgotten(Attention):  # noqa: N801
    """What the heads found is never mixed: one projection is missing at the end."""

    def forward(self, x, context=None):
        q, k, v = (split(y, self.num_heads) for y in projected(self, x, context))
        return merge(scaled_dot_product_attention(q, k, v))


class values_made_by_to_k(Attention):  # noqa: N801
    """Keys and values are the same numbers: to_v is never asked. A key says what there is to find,
    the value what one gets.
    """

    def forward(self, x, context=None):
        q, k, _ = (split(y, self.num_heads) for y in projected(self, x, context))
        return self.to_out(merge(scaled_dot_product_attention(q, k, k)))


class input_added(Attention):  # noqa: N801
    """x is added to the answer. Only what was found is asked for here: whoever calls this layer
    adds it to x.
    """

    def forward(self, x, context=None):
        return x + Attention.forward(self, x, context)


class context_ignored(Attention):  # noqa: N801
    """The prompt changes nothing: keys and values both come from the picture, also where a context
    is given.
    """

    def forward(self, x, context=None):
        return Attention.forward(self, x)


class keys_from_x(Attention):  # noqa: N801
    """The prompt's tokens are never compared with: the keys come from the picture. (It runs only
    where L = S.)
    """

    def forward(self, x, context=None):
        context = x if context is None else context
        q, k, v = (
            split(y, self.num_heads) for y in (self.to_q(x), self.to_k(x), self.to_v(context))
        )
        return self.to_out(merge(scaled_dot_product_attention(q, k, v)))


class values_from_x(Attention):  # noqa: N801
    """You look at the prompt but fetch from the picture: the values have the wrong source."""

    def forward(self, x, context=None):
        context = x if context is None else context
        q, k, v = (
            split(y, self.num_heads) for y in (self.to_q(x), self.to_k(context), self.to_v(x))
        )
        return self.to_out(merge(scaled_dot_product_attention(q, k, v)))


class prompt_asks_the_picture(Attention):  # noqa: N801
    """The wrong side asks: the answer has one row for each token of the prompt. Which of the two
    should go away with something new?
    """

    def forward(self, x, context=None):
        context = x if context is None else context
        return Attention.forward(self, context, x)


MISTAKES = (
    split_by_reshape_alone,
    split_and_merged_by_reshape_alone,
    merged_by_reshape_alone,
    heads_interleaved,
    scaled_by_the_full_width,
    not_scaled,
    number_taken_for_the_width,
    heads_averaged,
    one_head_instead_of_many,
    last_projection_forgotten,
    values_made_by_to_k,
    input_added,
    context_ignored,
    keys_from_x,
    values_from_x,
    prompt_asks_the_picture,
)
