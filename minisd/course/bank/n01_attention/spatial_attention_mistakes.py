"""01.SpatialAttention: the mistakes that people make, and what a tutor says to each."""

from einops import rearrange

from ....attention import SpatialAttention, scaled_dot_product_attention


def attend(layer, tokens):
    """The steps between pixels as tokens and the picture, right. (B, N, C) -> (B, N, C)"""
    q, k, v = layer.to_q(tokens), layer.to_k(tokens), layer.to_v(tokens)
    return layer.to_out(scaled_dot_product_attention(q, k, v))


class cut_by_reshape_alone(SpatialAttention):  # noqa: N801 (its name is said to the learner)
    """A token is now a strip of one channel and a strip of the next, not the channels of one pixel.
    Move the channel axis to the end first.
    """

    def forward(self, x):
        batch, channels, height, width = x.shape
        tokens = self.group_norm(x).reshape(batch, height * width, channels)
        return x + attend(self, tokens).mT.reshape(x.shape)


class neither_way_moves_the_channels(SpatialAttention):  # noqa: N801
    """Neither on the way in nor on the way out is the channel axis moved: a token holds pieces of
    several pixels.
    """

    def forward(self, x):
        batch, channels, height, width = x.shape
        tokens = self.group_norm(x).reshape(batch, height * width, channels)
        return x + attend(self, tokens).reshape(x.shape)


class folded_back_by_reshape_alone(SpatialAttention):  # noqa: N801
    """On the way in you moved the channels to the end; on the way out they were not moved back."""

    def forward(self, x):
        tokens = rearrange(self.group_norm(x), "b c h w -> b (h w) c")
        return x + attend(self, tokens).reshape(x.shape)


class rows_and_columns_exchanged(SpatialAttention):  # noqa: N801
    """Flattened row by row, folded back column by column: in the result the pixels lie in other
    places.
    """

    def forward(self, x):
        tokens = rearrange(self.group_norm(x), "b c h w -> b (h w) c")
        return x + rearrange(attend(self, tokens), "b (w h) c -> b c h w", h=x.shape[2])


class picture_not_added(SpatialAttention):  # noqa: N801
    """With a last projection of zeros the picture should pass untouched; here it vanishes.
    Something is missing around the attention.
    """

    def forward(self, x):
        return SpatialAttention.forward(self, x) - x


class normalized_picture_added(SpatialAttention):  # noqa: N801
    """What you add to is the normalized picture: its brightness and contrast are lost. Normalize
    only what attention reads.
    """

    def forward(self, x):
        return SpatialAttention.forward(self, x) - x + self.group_norm(x)


class norm_forgotten(SpatialAttention):  # noqa: N801
    """A brighter picture is attended to differently: nothing is normalized before queries, keys and
    values are made.
    """

    def forward(self, x):
        tokens = rearrange(x, "b c h w -> b (h w) c")
        return x + rearrange(attend(self, tokens), "b (h w) c -> b c h w", h=x.shape[2])


class last_projection_forgotten(SpatialAttention):  # noqa: N801
    """What was found is added as it is: one projection is missing at the end."""

    def forward(self, x):
        y = rearrange(self.group_norm(x), "b c h w -> b (h w) c")
        found = scaled_dot_product_attention(self.to_q(y), self.to_k(y), self.to_v(y))
        return x + rearrange(found, "b (h w) c -> b c h w", h=x.shape[2])


class not_scaled(SpatialAttention):  # noqa: N801
    """The scores are not divided by the root of the width: a token is as wide as the picture has
    channels.
    """

    def forward(self, x):
        y = rearrange(self.group_norm(x), "b c h w -> b (h w) c")
        weights = (self.to_q(y) @ self.to_k(y).mT).softmax(-1)
        found = self.to_out(weights @ self.to_v(y))
        return x + rearrange(found, "b (h w) c -> b c h w", h=x.shape[2])


class queries_and_keys_exchanged(SpatialAttention):  # noqa: N801
    """Queries come from to_k and keys from to_q: trained weights would be read the wrong way round,
    so that each pixel is looked at where it should look.
    """

    def forward(self, x):
        y = rearrange(self.group_norm(x), "b c h w -> b (h w) c")
        found = self.to_out(scaled_dot_product_attention(self.to_k(y), self.to_q(y), self.to_v(y)))
        return x + rearrange(found, "b (h w) c -> b c h w", h=x.shape[2])


class rows_only(SpatialAttention):  # noqa: N801
    """Each pixel sees its own row only: a change at the top left never reaches the bottom right."""

    def forward(self, x):
        tokens = rearrange(self.group_norm(x), "b c h w -> b h w c")
        return x + rearrange(attend(self, tokens), "b h w c -> b c h w")


class batch_as_one_picture(SpatialAttention):  # noqa: N801
    """The pictures of a batch look at each other: change one, and another changes."""

    def forward(self, x):
        tokens = rearrange(self.group_norm(x), "b c h w -> (b h w) c")
        batch, _, height, _ = x.shape
        return x + rearrange(attend(self, tokens), "(b h w) c -> b c h w", b=batch, h=height)


MISTAKES = (
    cut_by_reshape_alone,
    neither_way_moves_the_channels,
    folded_back_by_reshape_alone,
    rows_and_columns_exchanged,
    picture_not_added,
    normalized_picture_added,
    norm_forgotten,
    last_projection_forgotten,
    not_scaled,
    queries_and_keys_exchanged,
    rows_only,
    batch_as_one_picture,
)
