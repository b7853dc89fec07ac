"""10.rename_old_keys: names of 2022 into names of today."""

import torch

from ....checkpoint import rename_old_keys
from ....sizes import SIZES
from ....vae import AutoencoderKL
from ...exercise import Exercise

OLD_WORDS = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def old_names(tensors):
    """Today's VAE names -> those of 2022."""
    renamed = {}
    for name, tensor in tensors.items():
        for new, old in OLD_WORDS.items():
            name = name.replace(f".{new}.", f".{old}.")
        renamed[name] = tensor
    return renamed


def text_encoder(generator, prefix="text_model."):
    """A few keys of a text encoder, with what older files have besides."""
    names = {
        "embeddings.token_embedding.weight": (7, 4),
        "embeddings.position_embedding.weight": (5, 4),
        "encoder.layers.0.self_attn.k_proj.weight": (4, 4),
        "encoder.layers.0.mlp.fc1.bias": (3,),
        "final_layer_norm.weight": (4,),
    }
    tensors = {
        prefix + name: torch.randn(shape, generator=generator) for name, shape in names.items()
    }
    return {**tensors, prefix + "embeddings.position_ids": torch.arange(5)[None]}


def attention(generator, place):
    """The keys of one attention of the VAE, in the words of 2022."""
    tensors = {"group_norm.weight": torch.randn(4, generator=generator)}
    for word in OLD_WORDS.values():
        tensors[f"{word}.weight"] = torch.randn(4, 4, generator=generator)
        tensors[f"{word}.bias"] = torch.randn(4, generator=generator)
    return {f"{place}.{name}": tensor for name, tensor in tensors.items()}


def cases(generator):
    """Both dialects, and files that need little or nothing."""
    place = "decoder.mid_block.attentions.0"
    today = {"encoder.conv_in.weight": torch.randn(2, 3, 3, 3, generator=generator)}
    inner = {
        "encoder.text_model.weight": torch.randn(2, generator=generator),
        "keyframes.values.weight": torch.randn(3, generator=generator),
        "query_norm.bias": torch.randn(2, generator=generator),
    }
    return {
        "example": (attention(generator, place),),
        "a text encoder of 2022": (text_encoder(generator),),
        "a text encoder without prefix": (text_encoder(generator, prefix=""),),
        "written today": (today,),
        "old and new in one file": ({**today, **attention(generator, "encoder.mid")},),
        "old words inside other names": (inner,),
    }


def _example(place="decoder.mid_block.attentions.0"):
    return attention(torch.Generator().manual_seed(3), place)


def no_prefix_stays(mine):
    """A name still begins with `text_model.`: today's files have no such shell around the text
    encoder.
    """
    tensors = text_encoder(torch.Generator().manual_seed(1))
    return not any(name.startswith("text_model.") for name in mine(tensors))


def text_encoder_is_complete(mine):
    """An old text encoder and one of today should end with the same names. Yours has others: look
    at the first letters, and at what is missing.
    """
    generator = torch.Generator().manual_seed(1)
    expected = text_encoder(generator, prefix="").keys() - {"embeddings.position_ids"}
    return mine(text_encoder(generator)).keys() >= expected


def nothing_but_parameters(mine):
    """`position_ids` is the list 0, 1, 2, ...: nothing that was learned, and no parameter of ours.
    It should be gone, and it alone.
    """
    return not any("position_ids" in n for n in mine(text_encoder(torch.Generator())))


def fits_the_autoencoder(mine):
    """I took an autoencoder's keys, translated them to the words of 2022 and gave them to you. What
    came back are not the keys that the autoencoder has.
    """
    keys = AutoencoderKL(SIZES["tiny"].vae).state_dict()
    return set(mine(old_names(keys))) == set(keys)


def words_keep_their_numbers(mine):
    """Every table should keep its numbers, and go to the name that means the same: queries to
    queries, keys to keys, values to values.
    """
    tensors, place = _example(), "decoder.mid_block.attentions.0"
    renamed = mine(tensors)
    return all(
        torch.equal(renamed[f"{place}.{new}.{end}"], tensors[f"{place}.{old}.{end}"])
        for new, old in OLD_WORDS.items()
        for end in ("weight", "bias")
    )


def todays_names_pass(mine):
    """A file that has today's names already should come back as it is."""
    keys = AutoencoderKL(SIZES["tiny"].vae).state_dict()
    return mine(keys).keys() == keys.keys()


def only_whole_parts(mine):
    """A name is made of parts between dots, and only a whole part is an old word: `keyframes` and
    `query_norm` mean something else, and `text_model` counts at the very beginning alone.
    """
    names = ["encoder.text_model.weight", "keyframes.values.weight", "query_norm.bias"]
    return sorted(mine({name: torch.ones(1) for name in names})) == sorted(names)


def prefix_kept(tensors):
    """You translate the words, but `text_model.` still stands before every key of an old text
    encoder.
    """
    marked = {f"shell.{name}": tensor for name, tensor in tensors.items()}
    return {name.removeprefix("shell."): t for name, t in rename_old_keys(marked).items()}


def letters_stripped(tensors):
    """Some names have lost their first letters ("beddings"): `lstrip` takes away *letters*, as long
    as they occur in `text_model.`, and not a word. Which method of a string takes away a word?
    """
    return rename_old_keys({name.lstrip("text_model."): t for name, t in tensors.items()})  # noqa: B005


def prefix_cut_out_everywhere(tensors):
    """You cut `text_model.` out wherever it stands; it is a prefix only at the very beginning."""
    return rename_old_keys({name.replace("text_model.", ""): t for name, t in tensors.items()})


def to_out_without_zero(tensors):
    """What was `proj_attn` is the first layer of a Sequential today, and a Sequential numbers its
    layers: look at the keys of the module.
    """
    return {n.replace(".to_out.0.", ".to_out."): t for n, t in rename_old_keys(tensors).items()}


def keys_and_values_exchanged(tensors):
    """Keys went to the values and values to the keys. Their tables have one shape, so that loading
    them raises nothing, and the pictures are wrong.
    """
    turned = {".to_k.": ".to_v.", ".to_v.": ".to_k."}
    return {
        next((name.replace(a, b) for a, b in turned.items() if a in name), name): tensor
        for name, tensor in rename_old_keys(tensors).items()
    }


def position_ids_kept(tensors):
    """`position_ids` is still there: 0, 1, 2, ... was never learned, and no part of ours has a
    place for it.
    """
    ids = {name: tensor for name, tensor in tensors.items() if "position_ids" in name}
    return {**rename_old_keys(tensors), **{n.removeprefix("text_model."): ids[n] for n in ids}}


def positions_thrown_away(tensors):
    """With the list of positions you threw away the position *embedding*. That one is learned:
    without it, word order would be lost.
    """
    return {n: t for n, t in rename_old_keys(tensors).items() if "position_embedding" not in n}


def only_the_renamed_returned(tensors):
    """Names that were right already are missing from your result: it should be the whole file."""
    return {n: t for n, t in rename_old_keys(tensors).items() if n not in tensors}


def old_names_kept_beside_the_new(tensors):
    """Old and new names stand side by side: the file has become larger, and a strict loader refuses
    the names that it does not know.
    """
    return {**tensors, **rename_old_keys(tensors)}


def words_replaced_inside_words(tensors):
    """You also replace inside longer words: `keyframes` became `to_kframes`. An old word is a whole
    part between two dots.
    """
    renamed = {}
    for name, tensor in rename_old_keys(tensors).items():
        for new, old in OLD_WORDS.items():
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


def tables_transposed(tensors):
    """Your tables are transposed on the way. A linear layer keeps (outputs, inputs) in both
    dialects; these are square, so that nobody complains.
    """
    square = [f".{word}.weight" for word in OLD_WORDS]
    return {
        name: tensor.mT if any(end in name for end in square) else tensor
        for name, tensor in rename_old_keys(tensors).items()
    }


EXERCISE = Exercise(
    "10.rename_old_keys",
    "Names of 2022",
    stars=2,
    minutes=12,
    points=2,
    reference=rename_old_keys,
    cases=cases,
    laws=(
        no_prefix_stays,
        text_encoder_is_complete,
        nothing_but_parameters,
        todays_names_pass,
        only_whole_parts,
        fits_the_autoencoder,
        words_keep_their_numbers,
    ),
    mistakes=(
        prefix_kept,
        letters_stripped,
        prefix_cut_out_everywhere,
        to_out_without_zero,
        keys_and_values_exchanged,
        position_ids_kept,
        positions_thrown_away,
        only_the_renamed_returned,
        old_names_kept_beside_the_new,
        words_replaced_inside_words,
        tables_transposed,
    ),
)
