import numpy as np

from stemedx.project.blocks import block_to_maps, block_to_volumes, maps_to_block, volumes_to_block


def test_volumes_survive_the_way_to_blocks_and_back(rng):
    volumes = rng.random((2, 3, 4, 8), np.float32)
    block = volumes_to_block(volumes)
    assert block[2, 7, 1, 0] == volumes[0, 2, 1, 7]
    assert block.shape == (3, 8, 4, 2)
    assert block.flags.c_contiguous
    assert np.array_equal(block_to_volumes(block), volumes)


def test_maps_survive_the_way_to_blocks_and_back(rng):
    maps = rng.random((2, 3, 4, 8), np.float32)
    block = maps_to_block(maps)
    assert block[2, 7, 1, 0] == maps[0, 2, 1, 7]
    assert np.array_equal(block_to_maps(block), maps)
