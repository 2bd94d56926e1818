"""Stage ``doctor``: what is installed, what really works, what is wrong and how to mend it."""

import json
import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from recsys.config import CONF
from recsys.console import table
from recsys.health.devices import device_findings
from recsys.health.finding import Finding
from recsys.health.packages import package_findings
from recsys.health.places import place_findings


@hydra.main(config_path=CONF, config_name="doctor", version_base=None)
def main(cfg: DictConfig) -> None:
    """Print every finding; exit with 1 where one of them is wrong."""
    findings = [*package_findings(), *device_findings(), *place_findings()]
    rows = [(finding.mark, finding.subject, finding.fact) for finding in findings]
    table("recsys doctor", columns=["", "what", "found"], rows=rows)
    _mend(findings)
    if cfg.out is not None:
        text = json.dumps([finding._asdict() for finding in findings], indent=2)
        Path(cfg.out).write_text(text + "\n", encoding="utf-8")
    if any(finding.verdict == "wrong" for finding in findings):
        sys.exit(1)


def _mend(findings: list[Finding]) -> None:
    for finding in findings:
        if finding.remedy:
            sys.stdout.write(f"{finding.subject}: {finding.remedy}\n")
