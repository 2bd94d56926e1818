"""``recsys export``: a run's best model becomes a bundle, or a bundle a Triton repository."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from recsys import console
from recsys.bundle.triton import publish_repository
from recsys.config import CONF
from recsys.errors import ConfigError
from recsys.folder import refuse_existing


@hydra.main(config_path=CONF, config_name="export", version_base=None)
def main(cfg: DictConfig) -> None:
    """Publishes what ``target`` says, and says what it is made of."""
    targets = {"bundle": ("run", _bundle), "triton": ("bundle", _repository)}
    if cfg.target not in targets:
        message = f"target is bundle or triton, but is '{cfg.target}': choose one"
        raise ConfigError(message)
    origin, publish = targets[cfg.target]
    if cfg[origin] is None:
        message = f"target={cfg.target} is made of a {origin}: give {origin}=FOLDER"
        raise ConfigError(message)
    out = Path(str(cfg.out))
    refuse_existing(out, overwrite=cfg.overwrite)
    publish(cfg, Path(str(cfg[origin])), out)


def _bundle(cfg: DictConfig, run: Path, out: Path) -> None:
    from recsys.bundle.publishing import publish_run  # needs torch, a repository does not

    proof = publish_run(run, out, overwrite=cfg.overwrite, precision=cfg.precision)
    sizes = [[file.name, file.stat().st_size] for file in sorted(out.iterdir())]
    console.table(f"bundle {out}", ["file", "bytes"], sizes)
    shown = [[what, f"{value:.3g}"] for what, value in proof.parity._asdict().items()]
    console.table("parity with PyTorch", ["what", "value"], shown)
    if proof.fidelity is not None:
        shown = [[what, f"{value:.3g}"] for what, value in proof.fidelity._asdict().items()]
        console.table(f"{cfg.precision} beside float32", ["what", "value"], shown)


def _repository(cfg: DictConfig, bundle: Path, out: Path) -> None:
    models = publish_repository(bundle, out, overwrite=cfg.overwrite, **cfg.triton)
    shown = [[name, (out / name / "config.pbtxt").stat().st_size] for name in models]
    console.table(f"Triton repository {out}", ["model", "bytes of config.pbtxt"], shown)


if __name__ == "__main__":
    main()
