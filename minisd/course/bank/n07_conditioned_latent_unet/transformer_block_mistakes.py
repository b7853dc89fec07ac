"""What people get wrong where words meet pixels."""

import torch
from torch import nn

from ....attention import BasicTransformerBlock


class InPieces(BasicTransformerBlock):
    """The right block in pieces, so that each mistake is one line."""

    def look(self, x):
        return self.attn1(self.norm1(x))

    def listen(self, x, context):
        return self.attn2(self.norm2(x), context)

    def think(self, x):
        return self.ff(self.norm3(x))

    def forward(self, x, context):
        x = x + self.look(x)
        x = x + self.listen(x, context)
        return x + self.think(x)


class prompt_never_used(InPieces):  # noqa: N801
    """Any prompt gives the same output: the second attention looks at the pixels again (or at
    nothing). Where do the words come in?"""

    def listen(self, x, context):
        return super().listen(x, torch.zeros_like(context))


class prompt_not_handed_on(InPieces):  # noqa: N801
    """`attn2` was not given the prompt: it looks at the pixels once more, and where words are of
    another width than pixels it cannot even do that. Hand it the prompt as well."""

    def listen(self, x, context):
        return self.attn2(self.norm2(x))


class pixels_and_prompt_exchanged(InPieces):  # noqa: N801
    """Pixels and prompt have changed places in `attn2`: who asks comes first, who is asked comes
    second. Here the pixels ask."""

    def listen(self, x, context):
        return self.attn2(context, self.norm2(x))


class one_prompt_for_all(InPieces):  # noqa: N801
    """All pictures of the batch read the first one's prompt."""

    def listen(self, x, context):
        return super().listen(x, context[:1].expand_as(context))


class prompt_normalized(InPieces):  # noqa: N801
    """The prompt was normalized on the way in: the text encoder has done that already, at its very
    end."""

    def listen(self, x, context):
        return super().listen(x, nn.functional.layer_norm(context, context.shape[-1:]))


class one_norm_for_all_three(InPieces):  # noqa: N801
    """Three branches, three norms of their own: yours share the first."""

    def listen(self, x, context):
        return self.attn2(self.norm1(x), context)

    def think(self, x):
        return self.ff(self.norm1(x))


class norm_missing_before_cross_attention(InPieces):  # noqa: N801
    """The second branch reads the raw stream: `norm2` is never used."""

    def listen(self, x, context):
        return self.attn2(x, context)


class norm_after_the_sum(InPieces):  # noqa: N801
    """You normalize the sum. With silent branches the input should pass untouched: the norm belongs
    on the branch, before its layer."""

    def forward(self, x, context):
        x = self.norm1(x + self.attn1(x))
        x = self.norm2(x + self.attn2(x, context))
        return self.norm3(x + self.ff(x))


class cross_attention_replaces_the_stream(InPieces):  # noqa: N801
    """What self-attention found is overwritten by what the prompt says. Add it."""

    def forward(self, x, context):
        x = x + self.look(x)
        x = self.listen(x, context)
        return x + self.think(x)


class feed_forward_replaces_the_stream(InPieces):  # noqa: N801
    """The feed-forward's answer replaces the stream, and all that came before is lost but for
    what it repeats. Add it."""

    def forward(self, x, context):
        x = x + self.look(x)
        return self.think(x + self.listen(x, context))


class cross_before_self(InPieces):  # noqa: N801
    """The order is turned round: the pixels speak among themselves first, then with the prompt."""

    def forward(self, x, context):
        x = x + self.listen(x, context)
        x = x + self.look(x)
        return x + self.think(x)


class three_branches_side_by_side(InPieces):  # noqa: N801
    """All three branches read the same input. Each should see what the one before it has added."""

    def forward(self, x, context):
        return x + self.look(x) + self.listen(x, context) + self.think(x)


class feed_forward_forgotten(InPieces):  # noqa: N801
    """The third branch is missing: nobody thinks about what was heard."""

    def think(self, x):
        return 0


class queries_do_not_depend_on_the_pixel(InPieces):  # noqa: N801
    """Every pixel asks the prompt the same question: yours asks once for the whole picture. The
    queries of cross-attention come from the pixels."""

    def listen(self, x, context):
        return self.attn2(self.norm2(x).mean(dim=1, keepdim=True), context).expand_as(x)


class norm_added_in_place_of_the_input(InPieces):  # noqa: N801
    """What you keep beside each branch is the *normalized* stream. Keep the untouched one."""

    def forward(self, x, context):
        x = self.norm1(x) + self.look(x)
        x = self.norm2(x) + self.listen(x, context)
        return self.norm3(x) + self.think(x)


MISTAKES = (
    prompt_never_used,
    prompt_not_handed_on,
    pixels_and_prompt_exchanged,
    one_prompt_for_all,
    prompt_normalized,
    one_norm_for_all_three,
    norm_missing_before_cross_attention,
    norm_after_the_sum,
    cross_attention_replaces_the_stream,
    feed_forward_replaces_the_stream,
    cross_before_self,
    three_branches_side_by_side,
    feed_forward_forgotten,
    queries_do_not_depend_on_the_pixel,
    norm_added_in_place_of_the_input,
)
