"""One line for an error that the user can mend: the rule, the value and the nearest remedy."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException, HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from recsys.config import CONF
from recsys.errors import RecsysError


def one_line(error: Exception, *, stage: str, overrides: Sequence[str]) -> str | None:
    """What to print for this error, or None where it is a bug that deserves its traceback.

    Args:
        error: What the stage, or Hydra before it, raised.
        stage: Name of the stage, which is the name of its configuration.
        overrides: The command line after the stage.
    """
    ours = next((cause for cause in _causes(error) if isinstance(cause, RecsysError)), None)
    if ours is not None:
        return _flat(str(ours))
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("recsys"):
        return f"package '{error.name}' is not installed: pip install 'recsys[train]'"
    if isinstance(error, MissingMandatoryValue):
        name = error.full_key or str(error).rpartition(" ")[2]
        return f"'{name}' has no value: give {name}=..."
    if isinstance(error, OverrideParseException):
        return f"cannot read the setting '{error.override}': write name=value"
    if isinstance(error, ConfigCompositionException):
        return _composition(error, stage=stage, overrides=overrides)
    if isinstance(error, HydraException):
        return _argument(error)
    return None


def _composition(error: Exception, *, stage: str, overrides: Sequence[str]) -> str:
    text = "\n".join(str(cause) for cause in _causes(error))
    if match := re.search(r"Could not override '([^']+)'", text):
        name = match[1].partition("@")[0]
        return _unknown(name, names=_names(stage, overrides=_without(name, overrides=overrides)))
    if match := re.search(r"Could not find '([^']+)'", text):
        group, _, option = match[1].rpartition("/")
        return _no_option(group, option=option)
    if isinstance(error.__cause__, OmegaConfBaseException):
        return _flat(str(error.__cause__).partition("\n")[0])
    return _flat(str(error))


def _unknown(name: str, *, names: Sequence[str]) -> str:
    """Nearest by the whole dotted name, and by the last word for a name given without its group."""
    last = name.rpartition(".")[2]
    near = get_close_matches(name, names, n=2, cutoff=0.7)
    by_last = [full for full in names if full.rpartition(".")[2] == last]
    near += [full for full in by_last if full not in near]
    if not near:
        leaves = get_close_matches(last, [full.rpartition(".")[2] for full in names], n=1)
        near = [full for full in names if full.rpartition(".")[2] in leaves][:3]
    remedy = f"did you mean {_either(near[:3])}?" if near else "--cfg job lists the settings"
    return f"there is no setting '{name}': {remedy}"


def _no_option(group: str, *, option: str) -> str:
    options = sorted(path.stem for path in (Path(CONF) / group).glob("*.yaml"))
    near = get_close_matches(option, options, n=2)
    hint = f"did you mean {_either(near)}? " if near else ""
    return f"{group} has no option '{option}': {hint}choose one of {', '.join(options)}"


def _argument(error: Exception) -> str | None:
    """A part that does not take an argument, which only a setting added with + can cause."""
    text = _flat(str(error.__cause__ or error))
    match = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", text)
    return f"{match[1]} takes no setting '{match[2]}': leave it out" if match else None


def _names(stage: str, *, overrides: Sequence[str]) -> list[str]:
    """Dotted names of every setting and group of the stage under these overrides."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=CONF, version_base=None):
        try:
            config = compose(stage, overrides=list(overrides))
        except HydraException:
            config = compose(stage)
    return sorted(_dotted(OmegaConf.to_container(config, resolve=False)))


def _dotted(value: object, *, prefix: str = "") -> Iterator[str]:
    """Names of everything below, each with the names of its parents."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield f"{prefix}{key}"
            yield from _dotted(below, prefix=f"{prefix}{key}.")


def _without(name: str, *, overrides: Sequence[str]) -> list[str]:
    settings = [word for word in overrides if "=" in word and not word.startswith("-")]
    return [word for word in settings if word.lstrip("+~").partition("=")[0] != name]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)


def _flat(text: str) -> str:
    return " ".join(text.split())
