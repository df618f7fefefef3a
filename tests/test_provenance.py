from stemedx.params import AlignParams
from stemedx.provenance import digest, made_by


def test_provenance_tells_stage_code_parameters_packages_and_inputs(tmp_path):
    (tmp_path / "in").write_text("x")
    made = made_by("split", AlignParams(smooth_px=1.5), {"maps": tmp_path / "in"}, device="cpu")
    assert made["stage"] == "split"
    assert made["parameters"]["smooth_px"] == 1.5
    assert made["packages"]["numpy"]
    assert made["inputs"]["maps"] == digest(tmp_path / "in")
    assert (len(made["code"]), made["device"]) == (16, "cpu")


def test_a_digest_follows_content_and_names_and_leaves_snakemakes_stamp_out(tmp_path):
    store = tmp_path / "s.zarr"
    store.mkdir()
    (store / "a").write_text("1")
    first = digest(store)
    (store / ".snakemake_timestamp").touch()
    assert digest(store) == first
    (store / "a").rename(store / "b")
    renamed = digest(store)
    (store / "b").write_text("2")
    assert len({first, renamed, digest(store)}) == 3
