"""The world: what is drawn, said and held out is exactly what the scenes hold."""

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import torch

from minisd import world
from minisd.world import BACKGROUNDS, COLORS, RELATIONS, SHAPES, SIZES
from minisd.world.held_out import HELD_OUT_COLORS, HELD_OUT_COUNTS, HELD_OUT_RELATIONS
from minisd.world.render import coverage, signed_distance

PROMPTS = Path(__file__).parent.parent / "datasets" / "prompts"
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def held_out_facts(objects, relation):
    """Look for held-out compositions one by one: slow, and independent of the package's tables."""
    shapes = [thing.shape for thing in objects]
    facts = {("color", thing.shape, thing.color) for thing in objects}
    facts |= {("count", shape, n) for shape, n in Counter(shapes).items()}
    if relation is not None:
        facts |= {(shapes[0], relation, shapes[1]), (shapes[1], OPPOSITE[relation], shapes[0])}
    held = {("color", *pair) for pair in HELD_OUT_COLORS}
    held |= {("count", *pair) for pair in HELD_OUT_COUNTS}
    held |= set(HELD_OUT_RELATIONS)
    return facts & held


def test_no_training_scene_or_caption_contains_a_held_out_composition():
    scenes = world.sample_scenes(100_000, seeded(1), "seen")
    words = set(world.vocabulary())
    for index, text in enumerate(world.captions(scenes, seeded(2))):
        scene, spec = scenes[index], world.parse(text)
        assert not held_out_facts(scene.objects, scene.relation), text
        assert not held_out_facts(spec.objects, spec.relation), text
        verdict = world.obeys(scene.objects, scene.background, spec)
        assert verdict.correct, f"{text}: {verdict.reason}"
        assert words.issuperset(text.split()) and len(text.split()) <= 20, text


def test_every_held_out_scene_contains_one_and_each_of_them_turns_up():
    scenes = world.sample_scenes(4000, seeded(), "held_out")
    found = Counter()
    for index in range(len(scenes)):
        scene = scenes[index]
        facts = held_out_facts(scene.objects, scene.relation)
        assert facts
        assert len(world.compositions(scene)) == len(facts)
        found.update(facts)
    assert len(found) == len(HELD_OUT_COLORS + HELD_OUT_COUNTS + HELD_OUT_RELATIONS)
    assert min(found.values()) >= 20


def test_seen_scenes_show_every_other_composition_often():
    scenes = world.sample_scenes(20_000, seeded(), "seen")
    filled = torch.arange(4) < scenes.count[:, None]
    pairs = Counter(zip(scenes.shape[filled].tolist(), scenes.color[filled].tolist(), strict=True))
    assert len(pairs) == len(SHAPES) * len(COLORS) - len(HELD_OUT_COLORS)
    assert min(pairs.values()) > 100
    pair = scenes[scenes.relation >= 0]
    columns = (pair.shape[:, 0], pair.relation, pair.shape[:, 1])
    relations = Counter(zip(*(column.tolist() for column in columns), strict=True))
    assert len(relations) == 6 * 4 * 5 - 2 * len(HELD_OUT_RELATIONS)
    counts = Counter(zip(scenes.shape[:, 0].tolist(), scenes.count.tolist(), strict=True))
    assert all((SHAPES.index(shape), n) not in counts or n == 2 for shape, n in HELD_OUT_COUNTS)
    for column, names in ((scenes.background, BACKGROUNDS), (scenes.size[:, 0], SIZES)):
        assert column.unique().tolist() == list(range(len(names)))


@pytest.mark.parametrize("split", ["seen", "held_out", "any"])
def test_no_layout_is_cramped_or_ambiguous(split):
    scenes = world.sample_scenes(3000, seeded(), split)
    for index in range(len(scenes)):
        scene = scenes[index]
        for thing in scene.objects:
            low, high = SIZES[thing.size]
            assert low <= thing.radius <= high + 1e-6
            for center in (thing.x, thing.y):
                assert thing.radius + 0.019 < center < 0.981 - thing.radius
        for a, b in combinations(scene.objects, 2):
            apart = max(abs(a.x - b.x), abs(a.y - b.y))
            assert apart >= a.radius + b.radius + 0.09 - 1e-5
        if len(scene.objects) > 2:
            assert {thing.size for thing in scene.objects} == {"small"}
        if scene.relation is None:
            assert len({(thing.shape, thing.color, thing.size) for thing in scene.objects}) == 1
        else:
            a, b = scene.objects
            assert a.shape != b.shape
            right, down = b.x - a.x, b.y - a.y
            along, across = (right, down) if scene.relation in RELATIONS[:2] else (down, right)
            assert abs(along) >= 1.6 * abs(across) - 1e-5
            assert (along > 0) == (scene.relation in ("left of", "above"))


def test_scenes_follow_the_generator_and_index_like_a_list():
    scenes = world.sample_scenes(50, seeded(3))
    again = world.sample_scenes(50, seeded(3))
    assert all(scenes[i] == again[i] for i in range(50))
    other = world.sample_scenes(50, seeded(4))
    assert any(scenes[i] != other[i] for i in range(50))
    assert scenes[10:20][3] == scenes[13] == scenes[torch.tensor([13])][0]
    assert len(world.sample_scenes(0)) == 0
    assert world.render(world.sample_scenes(0), 32).shape == (0, 32, 32, 3)
    with pytest.raises(ValueError, match="split"):
        world.sample_scenes(1, split="test")


@pytest.mark.parametrize("shape", SHAPES)
def test_coverage_is_what_counting_fine_points_gives(shape):
    x, y, radius = torch.tensor([0.47]), torch.tensor([0.52]), torch.tensor([0.14])
    fine = (torch.arange(32 * 32) + 0.5) / (32 * 32)
    across = ((fine - x) / radius)[None, :].expand(1024, -1)
    down = ((fine - y) / radius)[:, None].expand(-1, 1024)
    inside = (signed_distance(shape, across, down) < 0).float()
    counted = inside.view(32, 32, 32, 32).mean((1, 3))
    drawn = coverage(shape, x, y, radius, 32)[0]
    assert (drawn - counted).abs().max() < 0.25  # a corner pixel is the worst case
    assert (drawn - counted).abs().sum() < 0.03 * counted.sum()


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_fill_their_box(shape):
    line = torch.linspace(-1.5, 1.5, 601)
    inside = signed_distance(shape, line[None, :].expand(601, -1), line[:, None].expand(-1, 601))
    rows, columns = (inside <= 0).nonzero().unbind(1)
    for edge in (line[rows], line[columns]):
        assert -1.01 <= edge.min() <= -0.85 and 0.85 <= edge.max() <= 1.01


def test_render_paints_the_named_colors_at_any_size():
    scenes = world.sample_scenes(300, seeded())
    for size in (32, 64, 128):
        pictures = world.render(scenes, size)
        assert pictures.dtype == torch.uint8 and pictures.shape == (300, size, size, 3)
        for index in range(300):
            scene = scenes[index]
            assert pictures[index, 0, 0].tolist() == list(BACKGROUNDS[scene.background])
            for thing in scene.objects:
                if thing.shape != "ring":
                    pixel = pictures[index, int(thing.y * size), int(thing.x * size)]
                    assert pixel.tolist() == list(COLORS[thing.color])
    assert torch.equal(world.render(scenes[7:8], 64), world.render(scenes, 64)[7:8])
    fine = world.render(scenes, 128).float().unflatten(1, (32, 4)).unflatten(3, (32, 4))
    error = (fine.mean((2, 4)) - world.render(scenes, 32)).abs()
    assert error.mean() < 0.5  # of 255


def test_captions_mix_kinds_and_leave_things_unsaid():
    scenes = world.sample_scenes(5000, seeded())
    specs = [world.parse(text) for text in world.captions(scenes, seeded())]
    kinds = Counter(len(spec.objects) for spec in specs)
    assert 0.2 < kinds[1] / 5000 < 0.3
    two = [spec for spec in specs if len({wanted.shape for wanted in spec.objects}) == 2]
    assert 0.4 < len(two) / 5000 < 0.5
    assert 0.55 < sum(spec.relation is not None for spec in two) / len(two) < 0.65
    for name, least, most in (("color", 0.77, 0.83), ("size", 0.4, 0.45)):
        said = sum(getattr(spec.objects[0], name) is not None for spec in specs)
        assert least < said / 5000 < most
    words = {word for text in world.captions(scenes, seeded()) for word in text.split()}
    assert words == set(world.vocabulary())


def test_a_caption_is_full_or_brief_and_the_caller_may_choose():
    scenes = world.sample_scenes(5000, seeded())
    pairs = (scenes.relation >= 0).nonzero()[:, 0]

    def brief_pairs(mentions):  # "a red circle and a square": what the hardest prompts say
        specs = map(world.parse, world.captions(scenes[pairs], seeded(), mentions))
        unsaid = [
            spec.relation is None and not any(wanted.size for wanted in spec.objects)
            for spec in specs
        ]
        return sum(unsaid) / len(unsaid)

    assert brief_pairs(world.FULL) < 0.03
    assert brief_pairs(world.BRIEF) > 0.4
    assert 0.2 < brief_pairs(None) < 0.3
    silent = world.captions(scenes[:5], seeded(), world.Mentions(0, 0, 0, 0, 0))
    assert all(word not in line for line in silent for word in world.COLORS)


def test_one_caption_equals_a_batch_of_one():
    scenes = world.sample_scenes(200, seeded())
    for index in range(200):
        batch = world.captions(scenes[index : index + 1], seeded(index))
        assert batch == [world.caption(scenes[index], seeded(index))]


def test_parse_reads_paraphrases_alike():
    first = world.parse("a big red circle to the left of one square on a gray background")
    assert first == world.parse(
        "  A drawing of a LARGE red circle,  left of a square with a gray background."
    )
    assert [(w.shape, w.color, w.size) for w in first.objects] == [
        ("circle", "red", "large"),
        ("square", None, None),
    ]
    assert first.relation == "left of" and first.background == "gray"
    assert world.parse("3 tiny rings") == world.parse("a picture of three small rings")
    assert len(world.parse("four crosses").objects) == 4


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("", "empty"),
        ("a red dog", "'dog'"),
        ("a striped circle", "'striped'"),
        ("two red", "'red'"),
        ("a circle on a table", "table"),
        ("a red blue circle", "'blue'"),
        ("a circle and", "'and'"),
        ("five circles", "'circles'"),
        ("кот", "'кот'"),
    ],
)
def test_parse_names_what_it_cannot_read(prompt, named):
    with pytest.raises(ValueError, match=named) as error:
        world.parse(prompt)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("split", ["seen", "held_out"])
def test_prompt_lists_are_the_committed_files(split):
    lists = world.prompts(split)
    assert json.loads((PROMPTS / f"{split}.json").read_text()) == lists
    own = {"counting": "count", "position": "relation"}
    for category, prompts in lists.items():
        assert len(prompts) == len(set(prompts)) == 100
        for prompt in prompts:
            spec = world.parse(prompt)
            facts = held_out_facts(spec.objects, spec.relation)
            assert bool(facts) == (split == "held_out"), prompt
            kinds = {fact[0] if fact[0] in ("color", "count") else "relation" for fact in facts}
            assert kinds <= {own.get(category, "color")}, prompt
            colors = {wanted.color for wanted in spec.objects} - {None}
            shapes = {wanted.shape for wanted in spec.objects}
            assert {
                "single_object": len(spec.objects) == 1,
                "two_objects": len(shapes) == 2 and len(colors) <= 1 and spec.relation is None,
                "counting": len(spec.objects) > 1 and len(shapes) == 1,
                "colors": len(spec.objects) == 1 and len(colors) == 1,
                "position": len(shapes) == 2 and spec.relation is not None,
                "color_attribution": len(shapes) == 2 and len(colors) == 2,
                "size": all(wanted.size is not None for wanted in spec.objects),
            }[category], prompt
    with pytest.raises(ValueError, match="split"):
        world.prompts("any")
