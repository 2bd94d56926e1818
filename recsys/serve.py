"""``recsys serve``: a bundle becomes a service whose memory learns from every event, without torch.

Everything that is done for a request lies in the package ``serving``; ``docs/serving.md`` tells
what can be asked and how it is run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig

from recsys.config import CONF
from recsys.errors import ConfigError

if TYPE_CHECKING:
    from serving.settings import Settings


@hydra.main(config_path=CONF, config_name="serve", version_base=None)
def main(cfg: DictConfig) -> None:
    """Reads the settings and serves until a signal ends it."""
    try:
        from serving import supervisor
    except ModuleNotFoundError as error:
        message = f"package '{error.name}' is not installed: pip install 'recsys[serve]'"
        raise ConfigError(message) from error
    if status := supervisor.serve(_settings(cfg)):
        sys.exit(status)


def _settings(cfg: DictConfig) -> Settings:
    from serving.batching import Budget
    from serving.service import Caps
    from serving.settings import Access, Lifetime, Settings
    from serving.wire import Limits

    return Settings(
        bundle=Path(cfg.bundle).absolute(),
        device=cfg.device,
        tile=cfg.tile,
        store=instantiate(cfg.store, _partial_=True),
        host=cfg.host,
        port=cfg.port,
        workers=cfg.workers,
        budget=Budget(cfg.batch.requests, cfg.batch.seconds, cfg.batch.patience, cfg.batch.waiting),
        caps=Caps(**cfg.caps),
        limits=Limits(body_bytes=cfg.caps.body_bytes, **cfg.limits),
        lifetime=Lifetime(**cfg.lifetime),
        access=Access(cfg["keys"], cfg.rate, **cfg.tls),
        log_requests=cfg.log_requests,
        traces=cfg.traces,
    )


if __name__ == "__main__":
    main()
