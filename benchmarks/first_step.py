"""CPU seconds from a raw file to the first optimiser step, imports included.

    python benchmarks/first_step.py ml-1m_sas.txt.gz [setting=value ...]

One new process prepares the `user item` file (leave-one-out), builds the model of the given
settings (default: memory=key_value, and memory=gru in a second process) and takes one step of 128
windows of 50 events (the peers in EXPERIMENTS.md take one of 128 sequences of 50).
The dry run of validation and export, which peers do not have, is timed apart.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETTINGS = ["slots=50", "batch_size=128", "tracking=none", "run=none"]


def prepare_file(raw: str, out: Path) -> None:
    """Leave-one-out, every event kept."""
    from hydra import compose
    from hydra.utils import instantiate

    from recsys.prepare import prepare

    given = ["source=sequences", f"source.path={raw}", "source.layout=pairs"]
    cfg = compose("prepare", [*given, "split=leave_one_out", f"out={out}"])
    source, selection = instantiate(cfg.source), instantiate(cfg.selection)
    prepare(
        source,
        out,
        selection=selection,
        splitter=instantiate(cfg.split),
        extends=None,
        overwrite=False,
        options={},
    )


def first_step(raw: str, overrides: list[str], *, rehearsal: bool) -> None:
    """Runs in the measured process; says the CPU seconds at each stage."""
    said = {}
    from hydra import compose, initialize_config_dir
    from hydra.utils import instantiate

    from recsys.config import CONF
    from recsys.data.prepared import load

    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(CONF, version_base=None):
        out = Path(folder) / "data"
        prepare_file(raw, out)
        said["prepared"] = time.process_time()
        import lightning

        from recsys.data.datamodule import HistoryData
        from recsys.fitting import make_objective
        from recsys.rehearsal import rehearse
        from recsys.run import assemble
        from recsys.system import RecommenderSystem

        said["imported"] = time.process_time()
        cfg = compose("train", [*SETTINGS, f"data={out}", *overrides])
        prepared = load(out)
        model = assemble(cfg, prepared=prepared)
        if rehearsal:
            rehearse(model, prepared=prepared, history=cfg.slots, k=cfg.k)
            said["rehearsed"] = time.process_time()
        system = RecommenderSystem(
            model=model,
            objective=make_objective(cfg, prepared=prepared),
            optimizer=instantiate(cfg.optimizer),
            items=prepared.items,
            k=cfg.k,
            seed=cfg.seed,
        )
        data = HistoryData(
            prepared=prepared,
            history=cfg.slots,
            batch_size=cfg.batch_size,
            validation_batch_size=64,
            half_life=float("inf"),
            validation_users=64,
            seed=cfg.seed,
        )
        trainer = lightning.Trainer(
            max_steps=1,
            accelerator="cpu",
            logger=False,
            limit_val_batches=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(system, data)
        said["first step"] = time.process_time()
    label = " ".join(overrides) + (" with dry run" if rehearsal else "")
    sys.stdout.write(f"{label}: " + ", ".join(f"{k} {v:.1f}" for k, v in said.items()) + "\n")


def main() -> None:
    """Starts one process a row."""
    raw, *overrides = sys.argv[1:]
    variants = [overrides] if overrides else [["memory=gru"], ["memory=key_value"]]
    sys.stdout.write("CPU seconds since the process began (peers: 8.5 / 11.4 / 25.2)\n")
    sys.stdout.flush()
    for variant in variants:
        for rehearsal in ("no", "yes"):
            command = [sys.executable, __file__, "--measured", raw, rehearsal, *variant]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    if sys.argv[1] == "--measured":
        first_step(sys.argv[2], sys.argv[4:], rehearsal=sys.argv[3] == "yes")
    else:
        main()
