import numpy as np

from stemedx.analyse.particles import find_particles

HOW = {"min_diameter_px": 6.0, "threshold": 0.5, "max_particles": 4}


def balls(shape, *spheres):
    zyx = np.indices(shape)
    total = np.zeros(shape, np.float32)
    for *centre, radius in spheres:
        offset = zyx - np.array(centre)[:, None, None, None]
        total[np.linalg.norm(offset, axis=0) < radius] = 1.0
    return np.stack([0.2 * total, 0.5 * total])


def test_particles_come_largest_first_and_small_ones_are_left_out():
    volumes = balls((30, 44, 28), (14, 9, 13, 4.5), (15, 30, 12, 8), (5, 18, 22, 2))
    found = find_particles(volumes, **HOW)
    assert [round(np.cbrt(6 / np.pi * p.inside.sum())) for p in found] == [16, 9]


def test_at_most_so_many_particles():
    volumes = balls((30, 44, 28), (14, 9, 13, 4.5), (15, 30, 12, 8))
    assert len(find_particles(volumes, **{**HOW, "max_particles": 1})) == 1


def test_a_particle_at_the_border_is_marked():
    volumes = balls((30, 44, 28), (14, 4, 13, 6), (15, 30, 12, 8))
    assert [p.touches_edge for p in find_particles(volumes, **HOW)] == [False, True]


def test_every_voxel_around_belongs_to_the_nearest_particle():
    volumes = balls((30, 44, 28), (14, 11, 13, 7), (14, 28, 13, 7))
    upper, lower = find_particles(volumes, **HOW)
    regions = np.zeros((2, 30, 44, 28), bool)
    regions[0][upper.box], regions[1][lower.box] = upper.region, lower.region
    assert not (regions[0] & regions[1]).any()
    # The gap between them, three voxels wide, is shared.
    assert regions.any(axis=0)[14, 4:36, 13].all()
    assert (upper.inside <= upper.region).all()


def test_nothing_is_found_in_nothing():
    assert find_particles(np.zeros((2, 12, 14, 10), np.float32), **HOW) == []


def test_the_smallest_particle_may_be_larger_than_the_volume():
    volumes = balls((10, 12, 8), (5, 6, 4, 3))
    assert find_particles(volumes, **{**HOW, "min_diameter_px": 40.0}) == []
