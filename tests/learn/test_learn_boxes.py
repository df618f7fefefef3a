import numpy as np
import pytest

from stemedx.learn.boxes import box_shapes, draw_box, middle_box, over_boxes


def extent(box):
    return tuple(part.stop - part.start for part in box)


def test_the_shapes_of_the_paper():
    assert set(box_shapes(128)) == {
        (128, 128, 128),
        (32, 256, 256),
        (256, 32, 256),
        (256, 256, 32),
    }


def test_parts_are_of_every_shape_and_reach_every_voxel(rng):
    seen = np.zeros((20, 36, 33), int)
    found = set()
    for _ in range(300):
        box = draw_box((2, *seen.shape), 16, rng)
        found.add(extent(box))
        seen[box] += 1
    # 33 voxels hold 32; 20 hold 20 of the 32 of a slab
    assert found == {(16, 16, 16), (4, 32, 32), (20, 4, 32), (20, 32, 4)}
    assert seen.min() > 0


def test_the_middle_is_the_middle():
    assert middle_box((2, 20, 36, 33), 16) == (slice(2, 18), slice(10, 26), slice(8, 24))


@pytest.mark.parametrize("shape", [(20, 36, 33), (64, 40, 16), (5, 7, 9)])
def test_parts_put_together_again_are_the_whole(rng, shape):
    volumes = rng.random((2, *shape), "float32")
    sides = set()

    def twice(part):
        sides.add(tuple(part.shape[2:]))
        return 2 * part

    np.testing.assert_allclose(over_boxes(twice, volumes, 16), 2 * volumes, rtol=1e-6)
    assert all(side % 4 == 0 for extent in sides for side in extent)
    assert len(sides) <= 3  # one shape across each axis: what the network has learned from


def test_slabs_overlap_by_half_or_more(rng):
    firsts = []

    def note(part):
        firsts.append(part[0, 0, 0, 0, 0].item())
        return part

    volumes = np.broadcast_to(np.arange(64, dtype=np.float32)[None, :, None, None], (1, 64, 32, 32))
    over_boxes(note, volumes, 16)
    assert sorted(set(firsts)) == list(range(0, 61, 2))  # slabs of 4 across z, every 2


def test_a_volume_that_is_too_thin_is_refused(rng):
    with pytest.raises(ValueError, match="at least 4 voxels along each axis, found 3"):
        draw_box((2, 20, 3, 33), 16, rng)
