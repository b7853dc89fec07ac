"""minisd: Stable Diffusion built from scratch, small enough to read, train and measure at home.

One letter has one meaning in every file and notebook:

| letter | meaning                 | letter | meaning                     |
|--------|-------------------------|--------|-----------------------------|
| B      | batch                   | L      | query tokens                |
| C      | channels                | S      | key tokens                  |
| H, W   | height, width in pixels | D      | width of a token            |
| h, w   | the same of a latent    | K, E   | heads, width of one head    |
| T      | training timesteps      |        | D = K * E                   |

Pixels lie in [-1, 1], latents are scaled to unit variance, noise is N(0, 1), and timesteps are
integers 0 .. T-1 in training (papers count 1 .. T), possibly fractional in sampling.
"""

__version__ = "0.1.0"
