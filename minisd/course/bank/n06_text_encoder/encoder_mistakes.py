"""06.EncoderLayer: the mistakes that people make, and what a tutor says to each."""

import torch
import torch.nn.functional as F
from einops import rearrange

from ....attention import scaled_dot_product_attention
from .layer import EncoderLayer


def causal(x):
    """Who may look at whom: itself and what came before. (B, S, D) -> (S, S)"""
    return torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()


def attend(layer, x, mask):
    """The attention of a layer, without norm and addition. (B, S, D), (S, S) -> (B, S, D)"""
    q, k, v = (
        rearrange(layer.self_attn[name](x), "b s (k e) -> b k s e", k=layer.num_heads)
        for name in ("q_proj", "k_proj", "v_proj")
    )
    heads = scaled_dot_product_attention(q, k, v, mask)
    return layer.self_attn["out_proj"](rearrange(heads, "b k s e -> b s (k e)"))


def think(layer, x):
    """The MLP of a layer, without norm and addition. (B, S, D) -> (B, S, D)"""
    x = layer.mlp["fc1"](x)
    return layer.mlp["fc2"](x * torch.sigmoid(1.702 * x))


def masked(layer, hidden, mask):
    """The layer as it should be, but for its mask. (B, S, D), (S, S) -> (B, S, D)"""
    hidden = hidden + attend(layer, layer.layer_norm1(hidden), mask)
    return hidden + think(layer, layer.layer_norm2(hidden))


class norm_after_the_branch(EncoderLayer):  # noqa: N801 (its name is said to the learner)
    """With silent branches the input should pass untouched. Your norms stand on the main road,
    after the addition ("post-norm"), instead of at the beginning of the branches.
    """

    def forward(self, hidden):
        hidden = self.layer_norm1(hidden + attend(self, hidden, causal(hidden)))
        return self.layer_norm2(hidden + think(self, hidden))


class no_causal_mask(EncoderLayer):  # noqa: N801
    """Change a later word and earlier ones change: this encoder reads from left to right."""

    def forward(self, hidden):
        return masked(self, hidden, torch.ones_like(causal(hidden)))


class mask_turned_round(EncoderLayer):  # noqa: N801
    """Each word sees itself and only what follows it."""

    def forward(self, hidden):
        return masked(self, hidden, causal(hidden).T)


class word_may_not_see_itself(EncoderLayer):  # noqa: N801
    """The first word has nothing at all to look at: nan. A word may look at itself."""

    def forward(self, hidden):
        return masked(self, hidden, causal(hidden).tril(-1))


class attention_not_added(EncoderLayer):  # noqa: N801
    """What the attention finds replaces the input; it should be added to it."""

    def forward(self, hidden):
        hidden = attend(self, self.layer_norm1(hidden), causal(hidden))
        return hidden + think(self, self.layer_norm2(hidden))


class mlp_not_added(EncoderLayer):  # noqa: N801
    """What the MLP says replaces what came before; it should be added to it."""

    def forward(self, hidden):
        hidden = hidden + attend(self, self.layer_norm1(hidden), causal(hidden))
        return think(self, self.layer_norm2(hidden))


class norms_on_the_main_road(EncoderLayer):  # noqa: N801
    """What is added to is the normed input, not the input itself: with silent branches it should
    pass untouched.
    """

    def forward(self, hidden):
        hidden = self.layer_norm1(hidden)
        hidden = hidden + attend(self, hidden, causal(hidden))
        hidden = self.layer_norm2(hidden)
        return hidden + think(self, hidden)


class exact_gelu(EncoderLayer):  # noqa: N801
    """Close, one percent off: that is the exact GELU. Stable Diffusion 1.5's encoder was trained
    with x * sigmoid(1.702 x).
    """

    def forward(self, hidden):
        hidden = hidden + attend(self, self.layer_norm1(hidden), causal(hidden))
        x = self.mlp["fc1"](self.layer_norm2(hidden))
        return hidden + self.mlp["fc2"](F.gelu(x))


class silu(EncoderLayer):  # noqa: N801
    """x * sigmoid(x) is SiLU. A factor is missing inside the sigmoid."""

    def forward(self, hidden):
        hidden = hidden + attend(self, self.layer_norm1(hidden), causal(hidden))
        return hidden + self.mlp["fc2"](F.silu(self.mlp["fc1"](self.layer_norm2(hidden))))


class no_bend(EncoderLayer):  # noqa: N801
    """Nothing stands between the two layers of the MLP: together they are no more than one."""

    def forward(self, hidden):
        hidden = hidden + attend(self, self.layer_norm1(hidden), causal(hidden))
        return hidden + self.mlp["fc2"](self.mlp["fc1"](self.layer_norm2(hidden)))


class first_norm_used_twice(EncoderLayer):  # noqa: N801
    """The second branch has a norm of its own, and you use the first one's again."""

    def forward(self, hidden):
        hidden = hidden + attend(self, self.layer_norm1(hidden), causal(hidden))
        return hidden + think(self, self.layer_norm1(hidden))


class first_norm_forgotten(EncoderLayer):  # noqa: N801
    """The attention reads its input as it comes: layer_norm1 is never used."""

    def forward(self, hidden):
        hidden = hidden + attend(self, hidden, causal(hidden))
        return hidden + think(self, self.layer_norm2(hidden))


class second_norm_forgotten(EncoderLayer):  # noqa: N801
    """The MLP reads its input as it comes: layer_norm2 is never used."""

    def forward(self, hidden):
        hidden = hidden + attend(self, self.layer_norm1(hidden), causal(hidden))
        return hidden + think(self, hidden)


class branches_side_by_side(EncoderLayer):  # noqa: N801
    """The MLP is shown the input as it came; it should think about what the attention found."""

    def forward(self, hidden):
        found = attend(self, self.layer_norm1(hidden), causal(hidden))
        return hidden + found + think(self, self.layer_norm2(hidden))


class last_projection_forgotten(EncoderLayer):  # noqa: N801
    """What the heads found is added as it is: out_proj is never used."""

    def forward(self, hidden):
        x = self.layer_norm1(hidden)
        q, k, v = (
            rearrange(self.self_attn[name](x), "b s (k e) -> b k s e", k=self.num_heads)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        heads = scaled_dot_product_attention(q, k, v, causal(hidden))
        hidden = hidden + rearrange(heads, "b k s e -> b s (k e)")
        return hidden + think(self, self.layer_norm2(hidden))


class one_head_instead_of_many(EncoderLayer):  # noqa: N801
    """It behaves as a single head, whatever their number is. All saved weights would fit, and the
    vectors would be wrong.
    """

    def forward(self, hidden):
        x, parts = self.layer_norm1(hidden), self.self_attn
        q, k, v = (parts[name](x) for name in ("q_proj", "k_proj", "v_proj"))
        heads = scaled_dot_product_attention(q, k, v, causal(hidden))
        hidden = hidden + parts["out_proj"](heads)
        return hidden + think(self, self.layer_norm2(hidden))


MISTAKES = (
    norm_after_the_branch, no_causal_mask, mask_turned_round, word_may_not_see_itself,
    attention_not_added, mlp_not_added, norms_on_the_main_road, exact_gelu, silu, no_bend,
    first_norm_used_twice, branches_side_by_side, last_projection_forgotten,
    one_head_instead_of_many, first_norm_forgotten, second_norm_forgotten,
)  # fmt: skip
