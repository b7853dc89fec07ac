"""Fetch CLIP's vocabulary, which the tokenizer's test needs: `make test` runs this first.

It lies in the PyPI package clip-anytorch (MIT license), which is unpacked, never installed: it
would bring torchvision. Nothing of it is part of this repository.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE, NAME = "clip-anytorch==2.6.0", "bpe_simple_vocab_16e6.txt.gz"
SHA256 = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
PATH = Path(__file__).parent / "fetched" / NAME


def read_vocabulary() -> bytes:
    """Return the fetched file; where it is missing or another, say in one sentence what to do."""
    data = PATH.read_bytes() if PATH.exists() else b""
    if hashlib.sha256(data).hexdigest() != SHA256:
        state = "is damaged" if data else "is missing"
        raise FileNotFoundError(f"{NAME} {state}: run python tests/{Path(__file__).name}")
    return data


def fetch() -> None:
    """Download the package with pip, and keep the one file of it whose sha256 is known."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", folder]
        subprocess.run([*command, *options, PACKAGE], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(f"clip/{NAME}")
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_bytes(data)


if __name__ == "__main__":
    try:
        read_vocabulary()
    except FileNotFoundError:
        fetch()
        read_vocabulary()
