"""What people get wrong in a residual block."""

import torch.nn.functional as F

from ....resnet import ResnetBlock2D


class InPieces(ResnetBlock2D):
    """The right block in pieces, so that each mistake is one line."""

    def first(self, x):
        return self.conv1(F.silu(self.norm1(x)))

    def project(self, time):
        return self.time_emb_proj(F.silu(time))[:, :, None, None]

    def second(self, y):
        return self.conv2(F.silu(self.norm2(y)))

    def shortcut(self, x):
        return x if self.conv_shortcut is None else self.conv_shortcut(x)

    def forward(self, x, time=None):
        y = self.first(x) + self.project(time)
        return self.second(y) + self.shortcut(x)


class time_after_the_second_norm(InPieces):  # noqa: N801
    """The time arrives after norm2. In the real block the norm comes after the addition, and keeps
    the time from growing without bound."""

    def forward(self, x, time=None):
        y = self.norm2(self.first(x)) + self.project(time)
        return self.conv2(F.silu(y)) + self.shortcut(x)


class time_added_to_the_result(InPieces):  # noqa: N801
    """The time is added at the very end, so that nothing in this block can react to it. It belongs
    where the second half of the block can still read it."""

    def forward(self, x, time=None):
        return self.second(self.first(x)) + self.project(time) + self.shortcut(x)


class time_not_added(InPieces):  # noqa: N801
    """The block does not use `time` at all: it would treat a faint noise like a strong one."""

    def project(self, time):
        return 0


class silu_before_the_projection_forgotten(InPieces):  # noqa: N801
    """One SiLU is missing: every block activates the time once more before it projects it."""

    def project(self, time):
        return self.time_emb_proj(time)[:, :, None, None]


class activation_before_norm(InPieces):  # noqa: N801
    """You activate first and normalize after, both times. Norm, then SiLU, then convolution."""

    def first(self, x):
        return self.conv1(self.norm1(F.silu(x)))

    def second(self, y):
        return self.conv2(self.norm2(F.silu(y)))


class input_not_added(InPieces):  # noqa: N801
    """With a silent second convolution the block should pass its input on; yours returns nothing.
    What makes it a *residual* block?"""

    def shortcut(self, x):
        return 0


class normalized_input_added(InPieces):  # noqa: N801
    """What you add at the end is the *normalized* input. Keep the untouched one aside."""

    def shortcut(self, x):
        return super().shortcut(self.norm1(x))


class multiplied_instead_of_added(InPieces):  # noqa: N801
    """Input and result are multiplied: a block that says nothing erases the picture."""

    def forward(self, x, time=None):
        y = self.first(x) + self.project(time)
        return self.second(y) * self.shortcut(x)


class second_silu_forgotten(InPieces):  # noqa: N801
    """Nothing bends between norm2 and conv2."""

    def second(self, y):
        return self.conv2(self.norm2(y))


class second_norm_forgotten(InPieces):  # noqa: N801
    """norm2 is never used."""

    def second(self, y):
        return self.conv2(F.silu(y))


class time_multiplied(InPieces):  # noqa: N801
    """The time is multiplied with the picture: in the drawing, the circle where they meet has a
    plus."""

    def forward(self, x, time=None):
        y = self.first(x) * self.project(time)
        return self.second(y) + self.shortcut(x)


class relu_for_silu(InPieces):  # noqa: N801
    """Everything stands where it should, but the bend is a ReLU: SiLU is x times sigmoid(x), and
    lets a little of what is negative through."""

    def first(self, x):
        return self.conv1(F.relu(self.norm1(x)))

    def project(self, time):
        return self.time_emb_proj(F.relu(time))[:, :, None, None]

    def second(self, y):
        return self.conv2(F.relu(self.norm2(y)))


class first_time_for_all(InPieces):  # noqa: N801
    """Every picture gets the first one's time."""

    def project(self, time):
        return super().project(time[:1])


class time_along_the_rows(InPieces):  # noqa: N801
    """It runs only where a picture is as high as it has channels, and there each *row* of pixels
    gets its own time value. Which axes does (B, C) lack beside (B, C, H, W)?"""

    def project(self, time):
        return super().project(time).transpose(1, 2)


MISTAKES = (
    time_after_the_second_norm,
    time_added_to_the_result,
    time_not_added,
    silu_before_the_projection_forgotten,
    activation_before_norm,
    input_not_added,
    normalized_input_added,
    multiplied_instead_of_added,
    second_silu_forgotten,
    second_norm_forgotten,
    time_multiplied,
    relu_for_silu,
    first_time_for_all,
    time_along_the_rows,
)
