"""The door: ``recsys <stage> [name=value ...]`` finds the stage, starts it and words its errors."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from omegaconf import DictConfig

STAGES = {
    "prepare": "interactions to a prepared folder: catalogue, histories, split",
    "train": "a prepared folder to a run: the trained model, its curves, its baselines",
    "evaluate": "a run, or any system's lists, measured on held-out items",
    "export": "a run to a bundle of ONNX graphs, published only if they agree with PyTorch",
    "score": "a bundle and a table of histories to recommendations",
    "serve": "a bundle to an online service whose memory learns from every event",
    "probe": "does a memory's mechanism work? the literature's own tasks",
    "doctor": "what is installed, what works, what is wrong and how to mend it",
}
_COMPLETION = ("-sc", "--shell-completion")


def main() -> None:
    """Console script: exits with 0, with 2 when the user can mend the cause, else a traceback."""
    program, *words = sys.argv
    if words and words[0] in _COMPLETION:
        _complete(program, words)
    elif words and words[0] in STAGES:
        sys.exit(_start(program, stage=words[0], overrides=words[1:]))
    else:
        sys.exit(_explain(words))


def _start(program: str, *, stage: str, overrides: Sequence[str]) -> int:
    """Run one stage under Hydra; an error that the user can mend becomes one line."""
    import hydra

    from recsys.complaint import one_line
    from recsys.config import CONF

    def excuse(error: Exception) -> NoReturn:
        line = one_line(error, stage=stage, overrides=overrides)
        if line is None:
            raise error
        sys.stderr.write(f"recsys {stage}: {line}\n")
        sys.exit(2)

    def task(cfg: DictConfig) -> None:
        # A launcher that starts this command again, one process a device, needs all its words.
        sys.argv = [program, stage, *overrides]
        try:  # here and not around Hydra, which would print lines of its own
            importlib.import_module(f"recsys.{stage}").main.__wrapped__(cfg)
        except Exception as error:
            excuse(error)

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then leaves the wording of errors to us
    sys.argv = [program, *overrides]  # what Hydra reads
    task.__module__ = f"recsys.{stage}"  # Hydra names the job after it
    try:
        hydra.main(config_path=CONF, config_name=stage, version_base=None)(task)()
    except Exception as error:
        excuse(error)
    except KeyboardInterrupt:
        return 130
    return 0


def _explain(words: Sequence[str]) -> int:
    listing = "\n".join(f"  {name:<9} {summary}" for name, summary in STAGES.items())
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(
            "recsys <stage> [name=value ...]\n\n"
            f"{listing}\n\n"
            "recsys <stage> --help lists the settings of a stage, --cfg job shows them resolved.\n"
        )
        return 0
    names = ", ".join(STAGES)
    sys.stderr.write(f"recsys: there is no stage '{words[0]}': choose one of {names}\n")
    return 2


def _complete(program: str, words: Sequence[str]) -> None:
    """Answer the shell: names of stages first, then whatever Hydra offers for the stage."""
    line = os.environ.get("COMP_LINE", "")
    typed = line.split()[1:]
    if typed and typed[0] in STAGES and (len(typed) > 1 or line.endswith(" ")):
        os.environ["COMP_LINE"] = line.replace(typed[0], "", 1)
        sys.exit(_start(program, stage=typed[0], overrides=words))
    if line:
        sys.stdout.write(" ".join(STAGES) + "\n")
        return
    sys.exit(_start(program, stage="doctor", overrides=words))


if __name__ == "__main__":
    main()
