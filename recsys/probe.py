"""``recsys probe``: does the mechanism work? A memory learns one of the literature's own tasks."""

import logging
from pathlib import Path

import hydra
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from recsys import console
from recsys.config import CONF
from recsys.errors import ConfigError
from recsys.probing import Examinee, Lesson, Report, examine
from recsys.run import write_json
from recsys.task.contract import Task

logger = logging.getLogger(__name__)


@hydra.main(config_path=CONF, config_name="probe", version_base=None)
def main(cfg: DictConfig) -> None:
    """Teaches, examines, and prints the share of wrong answers in each exam."""
    report = probe(cfg)
    rows = [[name, f"{error:.4f}"] for name, error in report.errors.items()]
    console.table(f"{report.steps} steps, {report.cpu_seconds:.0f} CPU-s", ["exam", "wrong"], rows)
    if cfg.out:
        write_json(Path(str(cfg.out)), report._asdict())


def probe(cfg: DictConfig) -> Report:
    """One training and its exams, of a resolved configuration."""
    if cfg.question not in ("apart", "written"):
        message = f"question is 'apart' or 'written' but is '{cfg.question}': choose one"
        raise ConfigError(message)
    torch.manual_seed(cfg.seed)
    task = instantiate(cfg.task)
    examinee = prepare_examinee(cfg, task=task)
    lesson, optimizer = prepare_lesson(cfg), instantiate(cfg.optimizer)
    return examine(examinee, task, lesson=lesson, optimizer=optimizer, seed=cfg.seed)


def prepare_lesson(cfg: DictConfig) -> Lesson:
    """How the configuration teaches."""
    return Lesson(teaching=instantiate(cfg.teaching), **cfg.lesson)


def prepare_examinee(cfg: DictConfig, *, task: Task) -> Examinee:
    """The four modules of the configuration, sized for this task."""
    output = instantiate(cfg.output)
    options = task.options * task.parts
    return Examinee(
        task=task,
        input=instantiate(cfg.input, table=task.table, behaviours=task.behaviours),
        memory=instantiate(cfg.memory, table=task.table),
        output=output,
        response=instantiate(cfg.response, items=options, slot_width=output.slot_width),
        question=cfg.question,
    )


if __name__ == "__main__":
    main()
