import pytest
import torch

from stemedx.learn.tiles import over_tiles


@pytest.fixture
def maps(rng):
    return torch.from_numpy(rng.random((1, 2, 21, 34), "float32"))


@pytest.mark.parametrize("tile_px", [8, 20, 21, 33, 64])
def test_tiles_of_a_pixelwise_function_join_without_a_trace(maps, tile_px):
    joined = over_tiles(lambda part: 3 * part + 1, maps, tile_px)
    torch.testing.assert_close(joined, 3 * maps + 1)


@pytest.mark.parametrize(("tile_px", "largest"), [(8, (8, 8)), (30, (21, 30)), (64, (21, 34))])
def test_the_network_sees_the_extent_it_was_trained_on(maps, tile_px, largest):
    seen = set()

    def predict(part):
        seen.add(tuple(part.shape[2:]))
        return part

    over_tiles(predict, maps, tile_px)
    assert seen == {largest}


def test_there_may_be_fewer_channels_than_were_seen(maps):
    joined = over_tiles(lambda part: part[:, :1] - 2, maps, 12)
    torch.testing.assert_close(joined, maps[:, :1] - 2)


def test_neighbouring_tiles_fade_into_each_other(maps):
    """Where tiles disagree, no pixel jumps by the whole difference."""
    levels = iter(range(100))
    joined = over_tiles(lambda part: torch.full_like(part, float(next(levels))), maps, 12)
    steps = joined[0, 0].diff(dim=1).abs().max()
    assert steps < 0.5  # neighbours differ by 1; a tent of 12 pixels takes 6 to change over
